# SPDX-License-Identifier: Apache-2.0
"""The networking.k8s.io group's kinds."""
