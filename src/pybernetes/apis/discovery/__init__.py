# SPDX-License-Identifier: Apache-2.0
"""The discovery.k8s.io group's kinds."""
