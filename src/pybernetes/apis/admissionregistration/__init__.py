# SPDX-License-Identifier: Apache-2.0
"""The admissionregistration.k8s.io group's kinds."""
