# SPDX-License-Identifier: Apache-2.0
"""Every kind once: defaults, validation, strategy and columns; registry.py is THE table."""
