# SPDX-License-Identifier: Apache-2.0
"""The node.k8s.io group's kinds."""
