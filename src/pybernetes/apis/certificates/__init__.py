# SPDX-License-Identifier: Apache-2.0
"""The certificates.k8s.io group's kinds."""
