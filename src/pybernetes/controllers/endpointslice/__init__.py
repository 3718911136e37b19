# SPDX-License-Identifier: Apache-2.0
"""endpointslice-controller: EndpointSlices of every service with a selector, changed as little as
possible: endpoints stay in their slice, and at most 100 share one.

Left out: topology-aware hints by CPU share (service.kubernetes.io/topology-mode).
"""
