# SPDX-License-Identifier: Apache-2.0
"""namespace-controller: empties namespaces that are being deleted, pods first, then lets them go."""
