# SPDX-License-Identifier: Apache-2.0
"""The storage.k8s.io group's kinds."""
