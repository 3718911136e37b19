# SPDX-License-Identifier: Apache-2.0
"""The apiextensions.k8s.io group's kinds."""
