# SPDX-License-Identifier: Apache-2.0
"""Sets of field paths, kept as the FieldsV1 JSON itself: nothing is decoded to be worked on.

A node is a dict from path element ("f:spec", 'k:{"name":"x"}', 'v:"x"', "i:0") to child node. A
child is a member of the set if it is empty or holds "."; a child that is no member has children.
The root is no member of itself: {} is the empty set. Nodes are never changed once they are part
of a set: operations share subtrees.
"""

import json
from collections.abc import Iterator
from typing import Any

FieldSet = dict[str, Any]
Path = tuple[str, ...]

EMPTY: FieldSet = {}
_KINDS = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


def is_member(node: FieldSet) -> bool:
    return not node or "." in node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths in either."""
    if not a or a is b:
        return b
    if not b:
        return a
    result = dict(a)
    for element, child in b.items():
        mine = result.get(element)
        result[element] = child if mine is None else _union_node(mine, child)
    return result


def _union_node(a: FieldSet, b: FieldSet) -> FieldSet:
    if a is b or a == b:
        return a
    merged = union(a, b)
    if is_member(a) or is_member(b):
        return merged if "." in merged else {".": {}, **merged}
    return merged


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths in `a` that are not in `b`; owning a path says nothing of the paths below it."""
    if not a or not b:
        return a
    result: FieldSet = {}
    changed = False
    for element, child in a.items():
        other = b.get(element) if element != "." else None
        kept = child if other is None else _difference_node(child, other)
        changed = changed or kept is not child
        if kept is not None:
            result[element] = kept
    return result if changed else a


def _difference_node(a: FieldSet, b: FieldSet) -> FieldSet | None:
    member = is_member(a) and not is_member(b)
    rest = difference(a, b)
    below = {element: child for element, child in rest.items() if element != "."}
    if not below:
        return (a if not a else {}) if member else None
    if member:
        return rest if rest is a else {".": {}, **below}
    return rest if rest is a and "." not in a else below


def without(a: FieldSet, doomed: FieldSet) -> FieldSet:
    """`a` without the members of `doomed` and everything below them."""
    if not a or not doomed:
        return a
    result: FieldSet = {}
    for element, child in a.items():
        other = doomed.get(element)
        if other is None or element == ".":
            result[element] = child
        elif not is_member(other):
            rest = without(child, other)
            if rest or not child:
                result[element] = rest
    return result


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """Paths in both."""
    result: FieldSet = {}
    for element, child in a.items():
        other = b.get(element)
        if other is None or element == ".":
            continue
        both = is_member(child) and is_member(other)
        below = intersection(child, other)
        if below:
            result[element] = {".": {}, **below} if both else below
        elif both:
            result[element] = {}
    return result


def paths(node: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member, in upstream's order: members of a level first, then what lies below."""
    elements = sorted((element for element in node if element != "."), key=_order)
    for element in elements:
        if is_member(node[element]):
            yield (*prefix, element)
    for element in elements:
        yield from paths(node[element], (*prefix, element))


def ordered(node: FieldSet) -> FieldSet:
    """The same set with its elements in the order in which upstream writes them."""
    if not node:
        return node
    return {element: ordered(node[element]) for element in sorted(node, key=_order)}


def _order(element: str) -> tuple[int, str]:
    return _KINDS.get(element[0], 5), element


def show(path: Path) -> str:
    """A path as messages show it: .spec.containers[name="x"].image"""
    return "".join(show_element(element) for element in path)


def show_element(element: str) -> str:
    kind, value = element[:2], element[2:]
    if kind == "f:":
        return f".{value}"
    if kind == "k:":
        keys = json.loads(value)
        inner = ",".join(f"{name}={json.dumps(item)}" for name, item in keys.items())
        return f"[{inner}]"
    return f"[={value}]" if kind == "v:" else f"[{value}]"


def check(node: Any) -> None:
    """Raises ValueError where `node` is not a FieldsV1 object."""
    if not isinstance(node, dict):
        raise ValueError("expected an object in fieldsV1")
    for element, child in node.items():
        if element == ".":
            continue
        if element[:2] not in ("f:", "k:", "v:", "i:"):
            raise ValueError(f"unknown path element type: {element}")
        if element[0] in "kv":
            json.loads(element[2:])
        if element[0] == "i":
            int(element[2:])
        check(child)
