# SPDX-License-Identifier: Apache-2.0
"""Subresources and virtual resources: one file each; `registry` is their table."""
