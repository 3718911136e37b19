# SPDX-License-Identifier: Apache-2.0
"""What a caller may do: RBAC, the node authorizer, access reviews, the bootstrap policy."""
