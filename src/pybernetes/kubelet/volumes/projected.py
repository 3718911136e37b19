# SPDX-License-Identifier: Apache-2.0
"""projected volumes."""

from pybernetes.kubelet import payloads

TYPE = payloads.live(payloads.projected)
