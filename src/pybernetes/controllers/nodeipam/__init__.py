# SPDX-License-Identifier: Apache-2.0
"""node-ipam-controller: gives every node its pod range out of the cluster's (RangeAllocator)."""
