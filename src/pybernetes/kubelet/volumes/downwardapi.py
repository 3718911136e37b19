# SPDX-License-Identifier: Apache-2.0
"""downwardAPI volumes."""

from pybernetes.kubelet import payloads

TYPE = payloads.live(payloads.downward_api)
