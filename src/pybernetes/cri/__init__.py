# SPDX-License-Identifier: Apache-2.0
"""The Container Runtime Interface: a contract (types.py), containerd over gRPC, and hollow."""
