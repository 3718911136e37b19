# SPDX-License-Identifier: Apache-2.0
"""Volume types, one file each; registry.py is the table."""
