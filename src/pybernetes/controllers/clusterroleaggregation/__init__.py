# SPDX-License-Identifier: Apache-2.0
"""clusterrole-aggregation-controller: fills ClusterRoles that are made of others."""
