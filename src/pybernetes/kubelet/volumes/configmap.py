# SPDX-License-Identifier: Apache-2.0
"""configMap volumes."""

from pybernetes.kubelet import payloads

TYPE = payloads.live(payloads.config_map)
