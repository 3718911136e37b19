# SPDX-License-Identifier: Apache-2.0
"""PodDisruptionBudgets: how many pods may be evicted right now."""
