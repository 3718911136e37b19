# SPDX-License-Identifier: Apache-2.0
"""The events.k8s.io group: served from the core group's Event."""
