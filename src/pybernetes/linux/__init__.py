# SPDX-License-Identifier: Apache-2.0
"""Kernel interfaces: netlink, nftables, namespaces, mounts, cgroups, processes."""
