# SPDX-License-Identifier: Apache-2.0
"""The coordination.k8s.io group's kinds."""
