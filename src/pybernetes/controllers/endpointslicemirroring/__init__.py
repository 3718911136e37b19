# SPDX-License-Identifier: Apache-2.0
"""endpointslicemirroring-controller: hand-made Endpoints of services without selector, as slices."""
