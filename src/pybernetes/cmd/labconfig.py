# SPDX-License-Identifier: Apache-2.0
"""A lab's settings: its nodes, and ranges of addresses that nobody else on this machine uses. Pure.

What was not asked for is chosen at the first start and recorded in config.json beside it.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pybernetes.apimachinery.types import Object
from pybernetes.base.errors import Told
from pybernetes.cmd.labnodes import node_faults

CONTROL_PLANE, WORKER = "control-plane", "worker"
ROLE_LABEL = "node-role.kubernetes.io/control-plane"
API_PORT = 6443  # of the API server on the segment, where nobody else can listen
FIRST_NODE = 10  # the host part of the first address that a node is given
Network = ipaddress.IPv4Network
_CANDIDATES: Mapping[str, Sequence[str]] = {
    "network": [f"192.168.{third}.0/24" for third in range(100, 250)],
    "cluster_cidr": [f"172.{second}.0.0/16" for second in range(16, 32)],
    "service_cidr": [f"10.{second}.0.0/12" for second in (96, 112, 128, 144, 160, 176, 192, 208)],
}
_RANGES: Mapping[str, Sequence[str]] = {  # of a cluster that is no lab
    "cluster_cidr": [f"10.{second}.0.0/16" for second in range(244, 255)],
    "service_cidr": [f"10.{second}.0.0/16" for second in range(96, 244)],
}


class ConfigError(Told):
    """The settings cannot be used; one line that says what to change."""


@dataclass(frozen=True, slots=True)
class LabNode:
    """One node. `cpu` and `memory` are Kubernetes quantities; "" means the machine's.

    `taints` None: those of its role; otherwise these and no others.
    """

    name: str
    role: str = WORKER
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] | None = None
    cpu: str = ""
    memory: str = ""

    @classmethod
    def parse(cls, asked: Mapping[str, Any]) -> "LabNode":
        """A node as config.json or the control socket describes it. Raises ConfigError."""
        unknown = sorted(set(asked) - set(cls.__slots__))
        if unknown:
            raise ConfigError(f"lab node: {', '.join(unknown)} is not supported")
        node = cls(**asked)
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", node.name):
            raise ConfigError(f'"{node.name}" is no node name: lower-case letters, digits and "-"')
        if node.role not in (CONTROL_PLANE, WORKER):
            raise ConfigError(
                f"node {node.name}: role {node.role} is neither worker nor control-plane"
            )
        return node

    @property
    def role_labels(self) -> dict[str, str]:
        """Those that a kubelet may not give its own Node (the NodeRestriction plugin's rule)."""
        role = {ROLE_LABEL: ""} if self.role == CONTROL_PLANE else {}
        return role | {key: value for key, value in self.labels.items() if _is_reserved(key)}

    @property
    def own_labels(self) -> dict[str, str]:
        """Those that a kubelet may."""
        return {key: value for key, value in self.labels.items() if not _is_reserved(key)}

    @property
    def all_taints(self) -> list[Object]:
        role = [{"key": ROLE_LABEL, "effect": "NoSchedule"}] if self.role == CONTROL_PLANE else []
        return role if self.taints is None else list(self.taints)

    @property
    def capacity(self) -> dict[str, str]:
        asked = {"cpu": self.cpu, "memory": self.memory}
        return {name: text for name, text in asked.items() if text}


def _is_reserved(key: str) -> bool:
    return key.partition("/")[0].endswith(("kubernetes.io", "k8s.io")) and "/" in key


def default_nodes(lab: str, workers: int) -> list[Object]:
    """What `up --nodes N` asks for: a control plane, and workers w1, w2, ..."""
    first = {"name": f"{lab}-control-plane", "role": CONTROL_PLANE}
    return [first, *({"name": f"w{number}"} for number in range(1, workers + 1))]


@dataclass(frozen=True, slots=True)
class LabConfig:
    """The nodes with their addresses in `network`, whose first address is the host's."""

    network: str
    nodes: Sequence[LabNode]

    @classmethod
    def parse(cls, lab: Mapping[str, Any]) -> "LabConfig":
        """The `lab` of a resolved config.json. Raises ConfigError."""
        return cls(lab["network"], [LabNode.parse(node) for node in lab["nodes"]])

    @property
    def gateway(self) -> str:
        """The host's address."""
        return str(Network(self.network)[1])

    @property
    def hosts(self) -> dict[str, str]:
        """The nodes' names and addresses."""
        return {node.name: node.address for node in self.nodes}

    def node(self, name: str) -> LabNode | None:
        return next((node for node in self.nodes if node.name == name), None)


def is_lab(config: Mapping[str, Any]) -> bool:
    """Whether config.json asks for a lab: by its nodes, or by a number of nodes that are not hollow."""
    return "lab" in config or (config.get("nodes", 1) > 1 and config.get("node") != "hollow")


def with_ranges(config: Mapping[str, Any], used: Sequence[Network]) -> Object:
    """config.json of a cluster that is no lab, with ranges that nobody uses unless it names them."""
    found = {key: config.get(key) or _first_free(key, _RANGES[key], used) for key in _RANGES}
    return {**config, **found}


def resolve(
    config: Mapping[str, Any], taken: Sequence[Network] = (), avoid: Sequence[Network] = ()
) -> Object:
    """config.json with nodes, ranges and addresses all named. Raises ConfigError.

    `taken` is in use on this machine by others and refused; `avoid` is not chosen, but may be asked for.
    """
    lab = dict(config.get("lab") or {"nodes": default_nodes(config["name"], config["nodes"])})
    asked = {"network": lab.get("network"), **{key: config.get(key) for key in _RANGES}}
    if lab.get("chosen") and _overlaps(str(asked["network"]), taken):
        asked["network"] = None  # the machine moved, and so do the nodes
        lab["nodes"] = [{**node, "address": ""} for node in lab["nodes"]]
    lab["chosen"] = lab.get("chosen", not asked["network"])
    used: list[Network] = []
    for key, candidates in _CANDIDATES.items():
        text = asked[key] or _first_free(key, candidates, [*taken, *used, *avoid])
        if overlap := _overlaps(text, [*taken, *used]):
            raise ConfigError(
                f"{key} {text} overlaps with {overlap}, which this machine uses already"
            )
        asked[key] = text
        used.append(Network(text))
    lab["network"], lab["nodes"] = asked["network"], _addressed(used[0], lab["nodes"])
    return {**config, **{key: asked[key] for key in _RANGES}, "lab": lab}


def _addressed(network: Network, nodes: Sequence[Object]) -> list[Object]:
    """The nodes, those without an address with the next free one."""
    if not nodes:
        raise ConfigError("a lab needs nodes")
    named = [((LabNode.parse(node).name,), _asked(node)) for node in nodes]
    for (name, *at), text in node_faults(named, str(network)):
        raise ConfigError(f"node {name}: {at[0]}: {text}")
    asked = [node["address"] for _, node in named if "address" in node]
    hosts = map(str, (network[number] for number in range(FIRST_NODE, network.num_addresses - 1)))
    free = (address for address in hosts if address not in asked)
    found = [{**node, "address": node.get("address") or next(free, "")} for node in nodes]
    if not all(node["address"] for node in found):
        raise ConfigError(f"network {network} is too small for {len(nodes)} nodes")
    return found


def _asked(node: Object) -> Object:
    """What was said of a node, without what was left open."""
    return {key: value for key, value in node.items() if value or key == "name"}


def _first_free(key: str, candidates: Iterable[str], used: Sequence[Network]) -> str:
    for text in candidates:
        if not _overlaps(text, used):
            return text
    raise ConfigError(f"no free range for {key}: name one")


def _overlaps(text: str, others: Iterable[Network]) -> Network | None:
    try:
        network = Network(text)
    except ValueError as error:
        raise ConfigError(f"range {text}: {error}") from error
    return next((other for other in others if network.overlaps(other)), None)
