# SPDX-License-Identifier: Apache-2.0
"""Volumes and claims in use are kept by a finalizer until nobody uses them."""
