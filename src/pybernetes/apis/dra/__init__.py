# SPDX-License-Identifier: Apache-2.0
"""The resource.k8s.io group's kinds: dynamic resource allocation."""
