# SPDX-License-Identifier: Apache-2.0
"""The rbac.authorization.k8s.io group's kinds."""
