# SPDX-License-Identifier: Apache-2.0
"""What a service proxy can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`table` is the nftables table that only this proxy writes. Times in seconds."""

    node_name: str
    table: str = "pybernetes-proxy"
    min_sync_period: float = 0.02  # changes that arrive within it are written together
    retry_period: float = 1.0
