# SPDX-License-Identifier: Apache-2.0
"""Published schemas as compact nodes.

A node's keys: t type (s i n b o m a x) · f format · r reference · i items · v values of a map ·
d default · z a default that is the type's zero value · l list type · k list keys · m map type ·
ps, pk patch strategy and merge key · g what Go calls a named scalar · n protobuf field number ·
e a zero value is left out (omitempty) · w a list that protobuf wraps in a message. A type adds: p properties · q required · u unions ·
gvk · in protobuf messages inlined in JSON, as [number, fields].
"""

from typing import Any

from tools.schema.gotypes import GoField, GoTypes

Node = dict[str, Any]

_LETTERS = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}
_EMPTYABLE = {"s", "i", "n", "b", "a", "m"}
_COPIED = (
    ("x-kubernetes-list-type", "l"),
    ("x-kubernetes-list-map-keys", "k"),
    ("x-kubernetes-map-type", "m"),
    ("x-kubernetes-patch-strategy", "ps"),
    ("x-kubernetes-patch-merge-key", "pk"),
    ("x-kubernetes-unions", "u"),
)
_KNOWN = {name for name, _ in _COPIED} | {
    "type", "format", "$ref", "allOf", "items", "additionalProperties", "properties", "required",
    "default", "description", "oneOf", "x-kubernetes-group-version-kind",
}  # fmt: skip
_PREFIX = "#/components/schemas/"


def distil(name: str, schema: dict[str, Any], go: GoTypes) -> Node:
    """The compact form of one published type."""
    node = _node(schema)
    if "properties" in schema:
        node["p"] = {key: _node(value) for key, value in schema["properties"].items()}
    if schema.get("required"):
        node["q"] = schema["required"]
    gvks = schema.get("x-kubernetes-group-version-kind")
    if gvks:
        node["gvk"] = [[gvk["group"], gvk["version"], gvk["kind"]] for gvk in gvks]
    if name in go.structs and "p" in node:
        _add_go_facts(name, node, go)
    return node


def _node(schema: dict[str, Any]) -> Node:
    unknown = set(schema) - _KNOWN
    assert not unknown, f"unknown keywords: {sorted(unknown)}"
    node: Node = {}
    reference = schema.get("$ref") or (schema.get("allOf") or [{}])[0].get("$ref")
    if reference:
        node["r"] = reference.removeprefix(_PREFIX)
    elif "items" in schema:
        node |= {"t": "a", "i": _node(schema["items"])}
    elif "additionalProperties" in schema:
        node |= {"t": "m", "v": _node(schema["additionalProperties"])}
    elif schema.get("type") == "object":
        node["t"] = "o"
    else:
        node["t"] = _LETTERS.get(schema.get("type", ""), "x")
    if schema.get("format"):
        node["f"] = schema["format"]
    if "oneOf" in schema and "f" not in node:
        assert schema["oneOf"] == [{"type": "string"}, {"type": "number"}]
        node["f"] = "quantity"
    if "default" in schema:
        node |= {"d": schema["default"]} if schema["default"] else {"z": 1}
    node.update({ours: schema[theirs] for theirs, ours in _COPIED if theirs in schema})
    return node


def _add_go_facts(name: str, node: Node, go: GoTypes) -> None:
    package = name.rpartition(".")[0]
    properties = node["p"]
    inlined: list[list[Any]] = []
    for one in go.structs[name]:
        if one.json:
            if one.json in properties:
                _add_field_facts(properties[one.json], one, package, go)
            continue
        inner = _resolve(one.go_type.lstrip("*"), package, go)
        if inner not in go.structs:
            continue  # TypeMeta
        flat: Node = {"p": properties}
        _add_go_facts(inner, flat, go)
        if one.number:
            inlined.append([one.number, [entry.json for entry in _flat(inner, go)]])
    if inlined:
        node["in"] = inlined


def _flat(name: str, go: GoTypes) -> list[GoField]:
    package = name.rpartition(".")[0]
    found: list[GoField] = []
    for one in go.structs[name]:
        found += [one] if one.json else _flat(_resolve(one.go_type, package, go), go)
    return found


def _resolve(go_type: str, package: str, go: GoTypes) -> str:
    return f"{package}.{go_type}" if f"{package}.{go_type}" in go.structs else go_type


def _add_field_facts(node: Node, one: GoField, package: str, go: GoTypes) -> None:
    if one.number:
        node["n"] = one.number
    bare = one.go_type.lstrip("*")
    underlying = go.named.get(f"{package}.{bare}", "")
    if one.omits_zero and node.get("t") in _EMPTYABLE:
        node["e"] = 1
    if node.get("t") in _EMPTYABLE and (underlying or "." in bare or bare == "int"):
        version = package.rpartition(".")[2]
        if not bare.startswith(("[", "map[")):
            node["g"] = bare if "." in bare or bare == "int" else f"{version}.{bare}"
    if one.number and node.get("t") == "a" and not one.repeated and underlying:
        node["w"] = 1
    if node.get("t") == "m" and node["v"].get("t") == "a":
        node["v"]["w"] = 1
