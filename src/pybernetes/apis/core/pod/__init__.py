# SPDX-License-Identifier: Apache-2.0
"""Pod: its rules, and pure questions about pods."""
