# SPDX-License-Identifier: Apache-2.0
"""The flowcontrol.apiserver.k8s.io group's kinds."""
