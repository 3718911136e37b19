# SPDX-License-Identifier: Apache-2.0
"""ClusterConfig: what `pybernetes up` was asked for, and every name and address that follows."""

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pybernetes.apimachinery.settings import SettingsError
from pybernetes.cmd.labconfig import ConfigError, LabConfig, is_lab, resolve
from pybernetes.cri import stagefile
from pybernetes.cri.stages import Stages

DEFAULT_NAME = "pybernetes"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A whole cluster in one process, or a lab. All else is derived, so that `down` finds it again.

    `node`: auto, containerd, hollow. `nodes`: how many hollow nodes. `port` 0: any free one.
    `lab`: its nodes, each a process of its own (labconfig.py).
    """

    data_dir: Path
    name: str = DEFAULT_NAME
    node: str = "auto"
    nodes: int = 1
    port: int = 6443
    kubelet_port: int = 10250
    cluster_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    domain: str = "cluster.local"
    audit_log: bool = False
    quota_backend_bytes: int = 0
    etcd_servers: str = ""  # URLs with commas between; "": the store is a file in `data_dir`
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_prefix: str = "/registry"
    lab: LabConfig | None = None
    hollow_nodes: Sequence[Any] = ()  # of a fork: names and capacities of its origin's nodes

    @classmethod
    def read(cls, data_dir: Path) -> "ClusterConfig":
        """What config.json in `data_dir` says. Raises ConfigError."""
        found = read_json(data_dir)
        if is_lab(found):
            found = resolve(found)
            found["lab"] = LabConfig.parse(found["lab"])
        known = {key: value for key, value in found.items() if key in cls.__slots__}
        config = cls(**{**known, "data_dir": data_dir})
        config.check()
        return config

    def check(self) -> None:
        """Raise ConfigError for settings that cannot work."""
        pods = _range("--cluster-cidr", self.cluster_cidr, 22)
        services = _range("--service-cidr", self.service_cidr, 28)
        if pods.overlaps(services):
            raise ConfigError(f"--cluster-cidr {pods} and --service-cidr {services} overlap")
        if self.quota_backend_bytes < 0 or (self.quota_backend_bytes and self.etcd_servers):
            raise ConfigError("--quota-backend-bytes: positive, and for etcd a flag of its members")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port {self.port}: must be between 0 and 65535")
        if not 1 <= self.nodes <= 10_000:
            raise ConfigError(f"--nodes {self.nodes}: must be between 1 and 10000")
        if self.nodes > (ranges := 1 << max(0, 24 - pods.prefixlen)):
            raise ConfigError(f"--cluster-cidr {pods} has pod ranges for {ranges} nodes only")

    @property
    def node_name(self) -> str:
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{self.name}"

    @property
    def gateway(self) -> str:
        """The stable address of the API server: a bridge's, which never changes."""
        if self.lab is not None:
            return self.lab.gateway
        return str(ipaddress.ip_network(self.cluster_cidr)[1])

    @property
    def service_ip(self) -> str:
        """The `kubernetes` Service's address: the range's first."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def networks(self) -> list[ipaddress.IPv4Network]:
        """Every range that is this cluster's."""
        nodes = [self.lab.network] if self.lab else []
        return [
            ipaddress.IPv4Network(text) for text in (self.cluster_cidr, self.service_cidr, *nodes)
        ]

    @property
    def dns_ip(self) -> str:
        return str(ipaddress.ip_network(self.service_cidr)[10])

    @property
    def slug(self) -> str:
        """A short name for kernel objects (links have 15 characters), distinct per data directory."""
        return hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:8]

    @property
    def bridge(self) -> str:
        return f"pybr-{self.slug}"

    @property
    def node_dir(self) -> Path:
        return self.data_dir / "node"

    def stages(self) -> Stages | None:
        """How hollow containers live, if `up --stages` said so. Raises ConfigError."""
        path = self.data_dir / "stages.yaml"
        try:
            return stagefile.read(path) if path.exists() else None
        except (OSError, SettingsError) as error:
            raise ConfigError(f"{path}: {error}") from error

    @property
    def cgroup_root(self) -> str:
        return f"/pybernetes-{self.slug}"


def read_json(data_dir: Path) -> dict[str, Any]:
    """config.json in `data_dir`. Raises ConfigError."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{data_dir / 'config.json'}: {error}") from error
    return found


def _range(flag: str, text: str, longest: int) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ConfigError(f"{flag} {text}: {error}") from error
    if network.prefixlen > longest:
        raise ConfigError(f"{flag} {text}: too small, at most /{longest}")
    return network
