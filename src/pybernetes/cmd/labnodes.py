# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a lab's nodes, for its file as for config.json and the control socket. Pure."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pybernetes.apimachinery import names
from pybernetes.apimachinery.quantity import QuantityError, parse
from pybernetes.apimachinery.settings import Path

LEAST = {"cpu": "100m", "memory": "128Mi"}  # of a node
Faults = Iterator[tuple[Path, str]]  # where, and what


def node_faults(nodes: Iterable[tuple[Path, Mapping[str, Any]]], network: str) -> Faults:
    """What is wrong with nodes, in themselves and beside one another."""
    taken: set[str] = set()
    for path, node in nodes:
        for key in ("name", "address"):
            if node.get(key) in taken:
                yield (*path, key), f'"{node[key]}" is taken by another node'
        taken |= {node["name"], node.get("address", "")} - {""}
        if "address" in node and (wrong := _misplaced(node["address"], network)):
            yield (*path, "address"), wrong
        for key, least in LEAST.items():
            if key in node and (wrong := _too_small(str(node[key]), least)):
                yield (*path, key), wrong
        yield from _mark_faults(path, node)


def _mark_faults(path: Path, node: Mapping[str, Any]) -> Faults:
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
    if (around := network_of(network)) is None:
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


def network_of(text: str) -> ipaddress.IPv4Network | None:
    """The IPv4 range that a text names; None if it names none."""
    try:
        return ipaddress.IPv4Network(text) if "/" in text else None
    except ValueError:
        return None
