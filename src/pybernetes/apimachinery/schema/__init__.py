# SPDX-License-Identifier: Apache-2.0
"""What an object of a type may hold: the schema tree, and what is done by it (check, default, prune)."""
