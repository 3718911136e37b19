# SPDX-License-Identifier: Apache-2.0
"""Lab files: read, checked as a whole, and turned into the settings of config.json.

First against lab.schema.json, then what no schema says: ranges, quantities, equal names. Every
error is `FILE:LINE: PATH: MESSAGE`, all of a round at once.
"""

import functools
import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path as FilePath
from typing import Any

from pybernetes.apimachinery import names, settings
from pybernetes.apimachinery.quantity import QuantityError, parse
from pybernetes.apimachinery.settings import Path, SettingsError
from pybernetes.cli.errors import CliError

MAX_BYTES = 64 * 1024
SCHEMA = FilePath(__file__).with_name("lab.schema.json")
_RANGES = {"nodeCIDR": 29, "podCIDR": 22, "serviceCIDR": 28}  # with the longest prefix of each
_LEAST = {"cpu": "100m", "memory": "128Mi"}  # of a node
Node = dict[str, Any]
_Faults = Iterator[tuple[Path, str]]


@dataclass(frozen=True, slots=True)
class Lab:
    """What a file asks for: the cluster's name, and settings as config.json has them."""

    name: str
    settings: dict[str, Any]


def load(path: FilePath) -> Lab:
    """The lab that the file describes. Raises CliError with a line per error."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise CliError(f"{path}: a lab file has at most {MAX_BYTES} bytes")
    try:
        found = settings.load(data, _schema())
        faults = [*_range_faults(found.value["spec"]), *node_faults(*_nodes(found.value))]
        if faults:
            raise SettingsError([found.fault(at, text) for at, text in faults])
    except SettingsError as error:
        raise CliError(error.told(path)) from error
    return _settings(found.value)


def check_node(node: Node, lab: dict[str, Any]) -> None:
    """Raises CliError for a node that cannot be added to `lab`."""
    kinds, others = _schema()["$defs"], [((), other) for other in lab["nodes"]]
    try:
        settings.load(json.dumps(node).encode(), {**kinds["node"], "$defs": kinds})
        faults = node_faults([*others, ((), node)], lab.get("network", ""))
        text = next((f"{at[-1]}: {text}" for at, text in faults), "")
    except SettingsError as error:
        text = f"{error.faults[0].path}: {error.faults[0].detail}"
    if text:
        raise CliError(f"node {node['name']}: {text}", 2)


@functools.cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


def node_faults(nodes: Iterable[tuple[Path, Node]], network: str) -> _Faults:
    """What is wrong with nodes, in themselves and beside one another."""
    taken: set[str] = set()
    for path, node in nodes:
        for key in ("name", "address"):
            if node.get(key) in taken:
                yield (*path, key), f'"{node[key]}" is taken by another node'
        taken |= {node["name"], node.get("address", "")} - {""}
        if "address" in node and (wrong := _misplaced(node["address"], network)):
            yield (*path, "address"), wrong
        for key, least in _LEAST.items():
            if key in node and (wrong := _too_small(str(node[key]), least)):
                yield (*path, key), wrong
        yield from _mark_faults(path, node)


def _mark_faults(path: Path, node: Node) -> _Faults:
    """Of labels and taints."""
    for key, value in node.get("labels", {}).items():
        for wrong in (*names.label_key(key), *names.label_value(value)):
            yield (*path, "labels", key), wrong
    taints = node.get("taints", ())
    for index, taint in enumerate(taints):
        for wrong in (*names.label_key(taint["key"]), *names.label_value(taint.get("value", ""))):
            yield (*path, "taints", index), wrong
    if len({(taint["key"], taint["effect"]) for taint in taints}) < len(taints):
        yield (*path, "taints"), "two taints have the same key and effect"


def _misplaced(address: str, network: str) -> str:
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return f'"{address}" is not an IPv4 address'
    if not network:
        return f'"{address}" needs spec.networking.nodeCIDR, the range that nodes are in'
    if (around := _network(network)) is None:
        return ""  # has been said
    if found not in around:
        return f'"{address}" is outside of the nodes\' range {network}'
    if found in (around[0], around[1], around[-1]):
        return f'"{address}" is not free: the first address of {network} is the host\'s'
    return ""


def _too_small(value: str, least: str) -> str:
    try:
        return "" if parse(value) >= parse(least) else f'"{value}" must be at least {least}'
    except QuantityError:
        return f'"{value}" is not a quantity such as {least}'


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text) if "/" in text else None
    except ValueError:
        return None


def _range_faults(spec: dict[str, Any]) -> _Faults:
    at = ("spec", "networking")
    ranges: dict[str, ipaddress.IPv4Network] = {}
    for key, text in spec.get("networking", {}).items():
        network = _network(text)
        if network is None:
            yield (*at, key), f'"{text}" is not an IPv4 range such as 172.16.0.0/16'
        elif network.prefixlen > _RANGES[key]:
            yield (*at, key), f"{network} is too small, at most /{_RANGES[key]}"
        else:
            ranges[key] = network
    for (one, first), (other, second) in combinations(ranges.items(), 2):
        if first.overlaps(second):
            yield (*at, other), f"{second} overlaps with {one} {first}"
    rooms: dict[str, Callable[[ipaddress.IPv4Network], int]] = {
        "nodeCIDR": lambda found: found.num_addresses - 3,
        "podCIDR": lambda found: 1 << max(0, 24 - found.prefixlen),
    }
    count = 1 + len(spec["nodes"])
    for key in rooms.keys() & ranges.keys():
        if count > (room := rooms[key](ranges[key])):
            yield (*at, key), f"{ranges[key]} has room for {room} nodes, not {count}"


def _nodes(value: dict[str, Any]) -> tuple[list[tuple[Path, Node]], str]:
    """The nodes with their paths, the control plane first, and the range that they are in."""
    spec = value["spec"]
    first = {"name": f"{value['metadata']['name']}-control-plane", **spec.get("controlPlane", {})}
    listed: list[tuple[Path, Node]] = [(("spec", "controlPlane"), first)]
    listed += [(("spec", "nodes", index), node) for index, node in enumerate(spec["nodes"])]
    return listed, spec.get("networking", {}).get("nodeCIDR", "")


def _settings(value: dict[str, Any]) -> Lab:
    listed, network = _nodes(value)
    nodes = [node_entry(node, "worker") for _, node in listed]
    nodes[0]["role"] = "control-plane"
    spec = value["spec"]
    networking = spec.get("networking", {})
    asked = {
        "lab": {"nodes": nodes, **({"network": network} if network else {})},
        "cluster_cidr": networking.get("podCIDR"),
        "service_cidr": networking.get("serviceCIDR"),
        "port": spec.get("apiServer", {}).get("port"),
    }
    found = {key: item for key, item in asked.items() if item is not None}
    return Lab(value["metadata"]["name"], found)


def node_entry(node: Node, role: str) -> Node:
    """A node as config.json has it: quantities are texts."""
    texts = {key: str(node[key]) for key in _LEAST if key in node}
    return {"role": role, **node, **texts}
