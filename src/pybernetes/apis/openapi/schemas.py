# SPDX-License-Identifier: Apache-2.0
"""Published schemas of built-in types, from the data file, in the words of OpenAPI v3 or v2."""

from collections.abc import Iterable
from typing import Any, Literal

from pybernetes.apimachinery.types import Object
from pybernetes.apis.data import descriptions, types

Version = Literal["v3", "v2"]
PREFIX: dict[Version, str] = {"v3": "#/components/schemas/", "v2": "#/definitions/"}

_TYPES = {"s": "string", "i": "integer", "n": "number", "b": "boolean"}
_ZERO: dict[str, Any] = {"s": "", "i": 0, "n": 0, "b": False}
_EXTENSIONS = (
    ("l", "x-kubernetes-list-type"),
    ("k", "x-kubernetes-list-map-keys"),
    ("m", "x-kubernetes-map-type"),
    ("ps", "x-kubernetes-patch-strategy"),
    ("pk", "x-kubernetes-patch-merge-key"),
    ("u", "x-kubernetes-unions"),
)
_QUANTITY = [{"type": "string"}, {"type": "number"}]
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def closure(names: Iterable[str]) -> list[str]:
    """The types named and all they refer to, sorted."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(types.raw(name))
    return sorted(found)


def _references(node: types.Node) -> list[str]:
    found = [node["r"]] if "r" in node else []
    inner = [*node.get("p", {}).values(), *(node[key] for key in ("i", "v") if key in node)]
    for child in inner:
        found += _references(child)
    return found


def schema(name: str, version: Version) -> Object:
    """One built-in type."""
    node, texts = types.raw(name), descriptions.of_type(name)
    found = _node(node, version, texts.get("", ""))
    if "p" in node:
        found["properties"] = {
            key: _node(child, version, texts.get(key, "")) for key, child in node["p"].items()
        }
    if "q" in node:
        found["required"] = node["q"]
    if "gvk" in node:
        found["x-kubernetes-group-version-kind"] = [
            {"group": group, "version": version, "kind": kind}
            for group, version, kind in node["gvk"]
        ]
    return found


def _node(node: types.Node, version: Version, text: str = "") -> Object:
    found: Object = {"description": text} if text else {}
    if version == "v3":
        found |= _default(node)
    found |= _reference(node, version, found) if "r" in node else _type(node, version)
    found.update({theirs: node[ours] for ours, theirs in _EXTENSIONS if ours in node})
    return found


def _default(node: types.Node) -> Object:
    if "d" in node:
        return {"default": node["d"]}
    return {"default": _ZERO.get(node.get("t", ""), {})} if "z" in node else {}


def _reference(node: types.Node, version: Version, beside: Object) -> Object:
    target = {"$ref": PREFIX[version] + node["r"]}
    return {"allOf": [target]} if version == "v3" and beside else target


def _type(node: types.Node, version: Version) -> Object:
    kind, form = node["t"], node.get("f", "")
    if kind == "a":
        return {"type": "array", "items": _node(node["i"], version)}
    if kind == "m":
        return {"type": "object", "additionalProperties": _node(node["v"], version)}
    if kind == "o":
        return {"type": "object"}
    if kind == "x" and form:
        return _union(form, version)
    found: Object = {"type": _TYPES[kind]} if kind in _TYPES else {}
    return found | {"format": form} if form else found


def _union(form: str, version: Version) -> Object:
    """Quantities and IntOrStrings: v2 calls them strings."""
    if version == "v2":
        return {"type": "string"} | ({} if form == "quantity" else {"format": form})
    if form == "quantity":
        return {"oneOf": _QUANTITY}
    return {"format": form, "oneOf": _INT_OR_STRING}
