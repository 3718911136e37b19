# SPDX-License-Identifier: Apache-2.0
"""ClusterConfig: what `pybernetes up` was asked for, and every name and address that follows."""

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_NAME = "pybernetes"


class ConfigError(Exception):
    """The settings cannot be used; one line that says what to change."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A whole cluster in one process. Everything else is derived, so that `down` finds it again.

    `node`: auto, containerd, hollow. `nodes`: how many hollow nodes. `port` 0: any free one.
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

    @classmethod
    def read(cls, data_dir: Path) -> "ClusterConfig":
        """What config.json in `data_dir` says. Raises ConfigError."""
        try:
            found: dict[str, Any] = json.loads((data_dir / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{data_dir / 'config.json'}: {error}") from error
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
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port {self.port}: must be between 0 and 65535")
        if not 1 <= self.nodes <= 10_000:
            raise ConfigError(f"--nodes {self.nodes}: must be between 1 and 10000")
        if self.nodes > (ranges := 1 << max(0, 24 - pods.prefixlen)):
            raise ConfigError(f"--cluster-cidr {pods} has pod ranges for {ranges} nodes only")
        if self.nodes > 1 and self.node != "hollow":
            raise ConfigError("--nodes above 1 needs --node hollow: several real nodes come later")

    @property
    def node_name(self) -> str:
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{self.name}"

    @property
    def gateway(self) -> str:
        """The first node's bridge address: the stable address of the API server, kubelet, DNS."""
        return str(ipaddress.ip_network(self.cluster_cidr)[1])

    @property
    def service_ip(self) -> str:
        """The `kubernetes` Service's address: the range's first."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

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

    @property
    def cgroup_root(self) -> str:
        return f"/pybernetes-{self.slug}"


def _range(flag: str, text: str, longest: int) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ConfigError(f"{flag} {text}: {error}") from error
    if network.prefixlen > longest:
        raise ConfigError(f"{flag} {text}: too small, at most /{longest}")
    return network
