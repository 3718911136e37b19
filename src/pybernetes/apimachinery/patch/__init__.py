# SPDX-License-Identifier: Apache-2.0
"""Changing objects: JSON patch, merge patch, strategic merge patch, and managed fields."""
