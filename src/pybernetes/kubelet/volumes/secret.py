# SPDX-License-Identifier: Apache-2.0
"""secret volumes."""

from pybernetes.kubelet import payloads

TYPE = payloads.live(payloads.secret)
