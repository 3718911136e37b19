# SPDX-License-Identifier: Apache-2.0
"""The scheduler: node state in NumPy columns, plugins that filter and score all nodes at once."""
