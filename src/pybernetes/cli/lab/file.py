# SPDX-License-Identifier: Apache-2.0
"""Lab files: read, checked as a whole, and turned into the settings of config.json.

First against lab.schema.json, then what no schema says: ranges, quantities, equal names. Every
error is `FILE:LINE: PATH: MESSAGE`, all of a round at once.
"""

import functools
import ipaddress
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path as FilePath
from typing import Any

from pybernetes.apimachinery import settings
from pybernetes.apimachinery.settings import Path, SettingsError
from pybernetes.base.errors import Told
from pybernetes.cmd.labnodes import LEAST, Faults, network_of, node_faults

MAX_BYTES = 64 * 1024
SCHEMA = FilePath(__file__).with_name("lab.schema.json")
_RANGES = {"nodeCIDR": 29, "podCIDR": 22, "serviceCIDR": 28}  # with the longest prefix of each
Node = dict[str, Any]


def load(path: FilePath) -> dict[str, Any]:
    """The lab that the file describes, as config.json has it. Raises Told with a line per error."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Told(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise Told(f"{path}: a lab file has at most {MAX_BYTES} bytes")
    try:
        found = settings.load(data, _schema())
        faults = [*_range_faults(found.value["spec"]), *node_faults(*_nodes(found.value))]
        if faults:
            raise SettingsError([found.fault(at, text) for at, text in faults])
    except SettingsError as error:
        raise Told(error.told(path)) from error
    return _settings(found.value)


def check_node(node: Node, lab: dict[str, Any]) -> None:
    """Raises Told for a node that cannot be added to `lab`."""
    kinds, others = _schema()["$defs"], [((), other) for other in lab["nodes"]]
    try:
        settings.load(json.dumps(node).encode(), {**kinds["node"], "$defs": kinds})
        faults = node_faults([*others, ((), node)], lab.get("network", ""))
        text = next((f"{at[-1]}: {text}" for at, text in faults), "")
    except SettingsError as error:
        text = f"{error.faults[0].path}: {error.faults[0].detail}"
    if text:
        raise Told(f"node {node['name']}: {text}", 2)


@functools.cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


def _range_faults(spec: dict[str, Any]) -> Faults:
    at = ("spec", "networking")
    ranges: dict[str, ipaddress.IPv4Network] = {}
    for key, text in spec.get("networking", {}).items():
        network = network_of(text)
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


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    listed, network = _nodes(value)
    nodes = [node_entry(node) for _, node in listed]
    nodes[0]["role"] = "control-plane"
    spec = value["spec"]
    networking = spec.get("networking", {})
    asked = {
        "name": value["metadata"]["name"],
        "lab": {"nodes": nodes, **({"network": network} if network else {})},
        "cluster_cidr": networking.get("podCIDR"),
        "service_cidr": networking.get("serviceCIDR"),
        "port": spec.get("apiServer", {}).get("port"),
    }
    return {key: item for key, item in asked.items() if item is not None}


def node_entry(node: Node) -> Node:
    """A node as config.json has it: quantities are texts."""
    texts = {key: str(node[key]) for key in LEAST if key in node}
    return {"role": "worker", **node, **texts}
