# SPDX-License-Identifier: Apache-2.0
"""What a node's pod network can be told."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """`bridge` and `table` are names on this host that only this cluster uses.

    `cni_conf_dir` is where the runtime reads its network configuration from. `segment`: the other
    nodes are on our link, and pods leave it with their own addresses.
    """

    node_name: str
    cni_conf_dir: Path
    cni_state_dir: Path
    cluster_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/12"
    bridge: str = "pybr0"
    table: str = "pybernetes-network"
    segment: bool = False
