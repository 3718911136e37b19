# SPDX-License-Identifier: Apache-2.0
"""The apps group's kinds."""
