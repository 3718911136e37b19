# SPDX-License-Identifier: Apache-2.0
"""The apiregistration.k8s.io group's kinds."""
