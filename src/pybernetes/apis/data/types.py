# SPDX-License-Identifier: Apache-2.0
"""Reads builtin.jsonl.gz: a header and one line a type, decoded and built only when asked for."""

import gzip
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import orjson

from pybernetes.apimachinery.schema.types import Schema, Type

Node = dict[str, Any]
"""A compact node; tools/schema/types.py lists its keys."""

_TYPES: dict[str, Type] = {
    "s": "string",
    "i": "integer",
    "n": "number",
    "b": "boolean",
    "o": "object",
    "a": "array",
    "m": "map",
    "x": "any",
}
# Types whose published schema says less than upstream's code: (type, format).
_SPECIAL: dict[str, tuple[Type, str]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("string", "quantity"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("string", "int-or-string"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": ("any", ""),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": ("any", ""),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ("any", ""),
}
_PLAIN = ("t", "f", "g", "e")  # what a leaf without any marking has: such leaves are shared


@cache
def _lines() -> list[bytes]:
    packed = resources.files(__package__).joinpath("builtin.jsonl.gz").read_bytes()
    return gzip.decompress(packed).split(b"\n")


@cache
def header() -> Node:
    """version, priorities, resources, kinds (see tools/schema/__main__.py)."""
    loaded: Node = orjson.loads(_lines()[0])
    return loaded


@cache
def _by_name() -> dict[str, bytes]:
    start = len(b'["')
    found = {}
    for line in _lines()[1:]:
        end = line.index(b'"', start)
        found[line[start:end].decode()] = line[end + 2 : -1]
    return found


def names() -> list[str]:
    return list(_by_name())


def raw(name: str) -> Node:
    """The compact node of a type; a new one every time. Raises KeyError."""
    loaded: Node = orjson.loads(_by_name()[name])
    return loaded


_NAMED: dict[str, Schema] = {}
_LEAVES: dict[tuple[Any, ...], Schema] = {}


def named(name: str) -> Schema:
    """The schema of a built-in type, built once; it may refer to itself. Raises KeyError."""
    found = _NAMED.get(name)
    if found is None:
        node = raw(name)
        found = _NAMED[name] = _bare(node, name)
        found.properties.update({key: _node(value) for key, value in node.get("p", {}).items()})
    return found


def _node(node: Node) -> Schema:
    if "r" in node:
        return _reference(node)
    if all(key in _PLAIN or key in "nzu" for key in node):
        key = tuple(node.get(part, "") for part in _PLAIN)
        leaf = _LEAVES.get(key)
        if leaf is None:
            leaf = _LEAVES[key] = _bare(node, "")
        return leaf
    return _bare(node, "")


def _reference(node: Node) -> Schema:
    target = named(node["r"])
    if not node.keys() & {"d", "l", "k", "m", "ps", "pk"}:
        return target
    # `properties` stays the very same dict: it may still be filling up.
    return replace(
        target,
        default=node.get("d"),
        map_type=node.get("m", target.map_type),
        patch_strategy=node.get("ps", ""),
        patch_merge_key=node.get("pk", ""),
    )


def _bare(node: Node, name: str) -> Schema:
    kind, form = _SPECIAL.get(name, (_TYPES[node["t"]], node.get("f", "")))
    return Schema(
        type=kind,
        format=form,
        name=name,
        required=tuple(node.get("q", ())),
        items=_node(node["i"]) if "i" in node else None,
        values=_node(node["v"]) if "v" in node else None,
        default=node.get("d"),
        preserve_unknown=kind == "any",
        list_type=node.get("l", ""),
        list_keys=tuple(node.get("k", ())),
        map_type=node.get("m", ""),
        patch_strategy=node.get("ps", ""),
        patch_merge_key=node.get("pk", ""),
        go_type=node.get("g", ""),
        omit_zero="e" in node,
    )
