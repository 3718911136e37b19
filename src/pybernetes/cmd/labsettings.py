# SPDX-License-Identifier: Apache-2.0
"""node.json in a lab node's folder: all that the main process tells the node's process."""

import signal
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.base import files

LINK = "eth0"
SHUT_DOWN = signal.SIGPWR  # what tells a node's process to end its pods, and itself
API_PORT = 6443  # of the API server on the segment, where nobody else can listen


@dataclass(frozen=True, slots=True)
class Settings:
    """`address` has its prefix length; `hosts` are the nodes' names and addresses."""

    name: str
    address: str
    cluster_cidr: str
    service_cidr: str
    dns_ip: str
    domain: str
    cgroup: str
    gateway: str = ""  # the host's address in the lab's segment; "": not in a lab
    server: str = ""  # the API server's URL
    kubelet_port: int = 10250
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[Object] = field(default_factory=list)
    capacity: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    ca: str = ""  # PEM
    token: str = ""  # for the first certificate

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]

    def write(self, node_dir: Path) -> None:
        files.write_private(node_dir / "node.json", orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, node_dir: Path) -> "Settings":
        found = orjson.loads((node_dir / "node.json").read_bytes())
        return cls(**{item.name: found[item.name] for item in fields(cls)})
