# SPDX-License-Identifier: Apache-2.0
"""Merging an applied object into the live one, and taking paths out of an object."""

from typing import Any

from pybernetes.apimachinery.patch.managedfields.elements import (
    UNTYPED,
    child,
    element_of,
    index,
    is_leaf,
)
from pybernetes.apimachinery.patch.managedfields.fieldset import FieldSet, is_member
from pybernetes.apimachinery.schema.types import Schema

GONE: Any = object()


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """The applied values over the live ones. GONE stands for "not there" on either side."""
    if applied is GONE:
        return live
    if live is GONE or is_leaf(schema, applied) or not (live or applied):
        return applied
    if schema.type == "array":
        return _merge_items(_as(list, live), _as(list, applied), schema)
    return _merge_fields(_as(dict, live), _as(dict, applied), schema)


def _as(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else kind()


def _merge_fields(live: dict[str, Any], applied: dict[str, Any], schema: Schema) -> dict[str, Any]:
    result = dict(live)
    for name, value in applied.items():
        result[name] = merge(live.get(name, GONE), value, child(schema, name))
    return result


def _merge_items(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    """Applied items in their order; live items that are not applied keep their place between."""
    items = schema.items or UNTYPED
    theirs, ours = index(schema, live), index(schema, applied)
    shared = [element for element in ours if element in theirs]
    left = [(element_of(schema, item), item) for item in live]
    right = list(ours)
    result: list[Any] = []
    done: set[str] = set()

    def take(element: str) -> None:
        done.add(element)
        former = theirs.get(element, [GONE])
        result.append(merge(former[0] if len(former) == 1 else GONE, ours[element][0], items))
        if shared and shared[0] == element:
            shared.pop(0)

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left):
            element, item = left[i]
            if element not in ours:
                result.append(item)
                i += 1
                continue
            if element in done or (shared and shared[0] != element and j < len(right)):
                i += 1
                continue
        if j < len(right):
            if i < len(left) and left[i][0] == right[j]:
                i += 1
            take(right[j])
            j += 1
        else:
            i += 1
    return result


def remove(value: Any, doomed: FieldSet, schema: Schema) -> Any:
    """`value` without the members of `doomed`; GONE if nothing of a container is left."""
    if not doomed or not value or is_leaf(schema, value):
        return value
    result: Any
    if schema.type == "array":
        items = schema.items or UNTYPED
        pairs = [(doomed.get(element_of(schema, item)), item) for item in _as(list, value)]
        kept = [_remove_child(node, item, items) for node, item in pairs]
        result = [item for item in kept if item is not GONE]
    else:
        result = {}
        for name, part in _as(dict, value).items():
            left = _remove_child(doomed.get("f:" + name), part, child(schema, name))
            if left is not GONE:
                result[name] = left
    return result or GONE


def _remove_child(node: FieldSet | None, value: Any, schema: Schema) -> Any:
    if node is None:
        return value
    return GONE if is_member(node) else remove(value, node, schema)


def named_fields(node: FieldSet, schema: Schema) -> FieldSet:
    """The set with every declared field on the way to a member made a member too."""
    result: FieldSet = {}
    for element, below in node.items():
        if element == "." or not below:
            result[element] = below
            continue
        if element[0] == "f":
            name = element[2:]
            grown = named_fields(below, child(schema, name))
            if name in schema.properties and "." not in grown:
                grown = {".": {}, **grown}
        else:
            grown = named_fields(below, schema.items or UNTYPED)
        result[element] = grown
    return result
