# SPDX-License-Identifier: Apache-2.0
"""What the cluster's DNS can be told."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """`address`:`port` is where this node answers, over UDP and TCP (port 0: any free one).

    `service_ip` is the kube-dns Service's address that pods are given. Times in seconds.
    """

    node_name: str
    address: str
    port: int = 53
    service_ip: str = "10.96.0.10"
    domain: str = "cluster.local"
    ttl: int = 30
    resolv_conf: Path = Path("/etc/resolv.conf")
    upstreams: tuple[str, ...] = ()  # instead of resolv.conf's; "192.0.2.1" or "192.0.2.1#5353"
    forward_timeout: float = 2.0
    max_forwards: int = 1000  # under way at once; more are refused
    max_forwards_each: int = 150  # for one client
    clients: tuple[str, ...] = ()  # ranges for which we forward, besides this host; (): anyone
    cached_answers: int = 10_000  # of ours, and of upstreams
    metrics_port: int = 9153  # /metrics, /health, /ready; 0: none
