# SPDX-License-Identifier: Apache-2.0
"""The scheduling.k8s.io group's kinds."""
