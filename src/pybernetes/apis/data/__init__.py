# SPDX-License-Identifier: Apache-2.0
"""Data files distilled by tools/schema; read by catalog.py."""
