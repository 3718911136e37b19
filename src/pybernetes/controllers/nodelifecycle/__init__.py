# SPDX-License-Identifier: Apache-2.0
"""node-lifecycle-controller: notices nodes that went silent, and taints nodes by their conditions."""
