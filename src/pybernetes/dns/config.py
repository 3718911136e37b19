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
    upstreams: tuple[str, ...] = ()  # instead of resolv.conf's
    forward_timeout: float = 2.0
    max_forwards: int = 1000  # under way at once; more are refused
    cached_answers: int = 20_000
