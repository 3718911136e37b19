# SPDX-License-Identifier: Apache-2.0
"""Keeping the node alive under pressure: thresholds, ranking (both pure), and the manager."""
