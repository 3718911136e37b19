# SPDX-License-Identifier: Apache-2.0
"""Validators that many kinds share: names, metadata, selectors."""
