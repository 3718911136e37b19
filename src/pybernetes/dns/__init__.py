# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS: answers for Services and pods from the API, everything else forwarded."""
