# SPDX-License-Identifier: Apache-2.0
"""Admission: one file a plugin; registry.py is the table, in upstream's order."""
