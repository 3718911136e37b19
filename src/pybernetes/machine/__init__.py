# SPDX-License-Identifier: Apache-2.0
"""Prepares this host for a node (private containerd, directories) and cleans up after it."""
