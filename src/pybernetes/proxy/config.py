# SPDX-License-Identifier: Apache-2.0
"""What a service proxy can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`table` is the nftables table that only this proxy writes. Times in seconds."""

    node_name: str
    table: str = "pybernetes-proxy"
    cluster_cidr: str = ""  # whose addresses are pods; "" treats all clients alike
    service_cidr: str = ""  # with cluster_cidr: clients from outside are masqueraded
    health_address: str = "0.0.0.0"  # where load balancers ask
    health_port: int = 10256  # /healthz, /livez, /metrics; 0: none
    min_sync_period: float = 0.05  # after a write, changes are collected for that long
    sync_period: float = 30.0  # how often others' changes to the table are looked for
    retry_period: float = 1.0
