# SPDX-License-Identifier: Apache-2.0
"""What changed between two objects, as three sets of paths; and the set of all paths of one object.

Equal subtrees are left at one comparison, so the cost is that of what changed.
"""

from typing import Any, NamedTuple

from pybernetes.apimachinery.patch.managedfields.elements import child, index, is_leaf
from pybernetes.apimachinery.patch.managedfields.fieldset import EMPTY, FieldSet
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object

# Owned by nobody: stripped from every manager, so never compared at all.
_STRIPPED_TOP = frozenset(("apiVersion", "kind", "metadata"))
_STRIPPED_META = frozenset(
    (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)
STRIPPED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {".": {}, **{f"f:{name}": {} for name in sorted(_STRIPPED_META)}},
}


class Changes(NamedTuple):
    """Paths that went, that changed their value, that came."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet

    @property
    def touched(self) -> bool:
        return bool(self.removed or self.modified or self.added)


def compare(old: Object, new: Object, schema: Schema) -> Changes:
    """The changes from `old` to `new` ({}: nothing was there), without what nobody owns."""
    sets: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
    _compare_fields(old, new, schema, (sets, _STRIPPED_TOP))
    meta: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
    old_meta, new_meta = old.get("metadata") or {}, new.get("metadata") or {}
    if old_meta is not new_meta:
        _compare_fields(old_meta, new_meta, child(schema, "metadata"), (meta, _STRIPPED_META))
    for target, part in zip(sets, meta, strict=True):
        if part:
            target["f:metadata"] = part
    return Changes(*sets)


_Sets = tuple[FieldSet, FieldSet, FieldSet]


def _compare_fields(
    old: Object, new: Object, schema: Schema, out: tuple[_Sets, frozenset[str]]
) -> None:
    """Compare two maps of which the caller has already said that they are no leaf."""
    sets, skipped = out
    removed, _, added = sets
    for name, value in new.items():
        if name in skipped:
            continue
        before = old.get(name, _ABSENT)
        if before is value or before == value:
            continue
        below = child(schema, name)
        if before is not _ABSENT:
            _put("f:" + name, _compare(before, value, below), sets)
            continue
        added["f:" + name] = whole(value, below, zero=_zero_valued(schema, name, below))
    for name, value in old.items():
        if name not in new and name not in skipped:
            removed["f:" + name] = whole(value, child(schema, name))


def _zero_valued(schema: Schema, name: str, below: Schema) -> bool:
    """Go's struct holds this container even when it is empty, so nobody ever adds it.

    True of built-in types only (they have names), and there of what is required or a plain struct
    by custom; what the published schemas do not say is left as added.
    """
    if not schema.name or below.type not in ("object", "array"):
        return False
    return name in _STRUCTS or name in schema.required


_STRUCTS = frozenset(("metadata", "spec", "status", "strategy", "template", "updateStrategy"))
_ABSENT: Any = object()


def _put(element: str, found: _Sets, into: _Sets) -> None:
    for target, node in zip(into, found, strict=True):
        if node:
            target[element] = node.pop("", node)


def _compare(old: Any, new: Any, schema: Schema) -> _Sets:
    """Three nodes; {} is "nothing", and {"": {}} stands for the leaf itself."""
    if is_leaf(schema, new) or not (old or new):
        return ({}, {"": {}}, {})
    sets: _Sets = ({}, {}, {})
    if schema.type == "array":
        _compare_items(_list(old), _list(new), schema, sets)
    elif isinstance(old or {}, dict) and isinstance(new or {}, dict):
        _compare_fields(old or {}, new or {}, schema, (sets, frozenset()))
    else:
        return ({}, {"": {}}, {})
    return sets


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compare_items(old: list[Any], new: list[Any], schema: Schema, sets: _Sets) -> None:
    removed, modified, added = sets
    before, after = index(schema, old), index(schema, new)
    items = schema.items or Schema()
    for element, values in after.items():
        former = before.get(element)
        if former == values:
            continue
        if former is None:
            added[element] = whole(values[0], items) if len(values) == 1 else {}
        elif len(former) == len(values) == 1:
            _put(element, _compare(former[0], values[0], items), sets)
        else:
            modified[element] = {}
    for element, values in before.items():
        if element not in after:
            removed[element] = whole(values[0], items) if len(values) == 1 else {}


def whole(value: Any, schema: Schema, *, zero: bool = False) -> FieldSet:
    """The node of a value that stands alone: itself and every path below it.

    `zero` leaves out the value's own membership: Go's zero value of it was there before.
    """
    if not value or is_leaf(schema, value):
        return {}
    result: FieldSet = {} if zero else {".": {}}
    if schema.type == "array":
        items = schema.items or Schema()
        for element, found in index(schema, _list(value)).items():
            result[element] = whole(found[0], items) if len(found) == 1 else {}
    elif isinstance(value, dict):
        for name, part in value.items():
            below = child(schema, name)
            deeper = zero and _zero_valued(schema, name, below)
            result["f:" + name] = whole(part, below, zero=deeper)
    return result


def field_set(obj: Object, schema: Schema) -> FieldSet:
    """The paths that an applied object mentions: leaves, items, keys of maps, empty maps."""
    return _mentions(obj, schema) or EMPTY


def _mentions(value: Any, schema: Schema) -> FieldSet | None:
    """The node without membership of its own; None for a leaf."""
    if is_leaf(schema, value):
        return None
    result: FieldSet = {}
    if schema.type == "array":
        items = schema.items or Schema()
        for element, found in index(schema, _list(value)).items():
            node = _mentions(found[0], items) if len(found) == 1 else None
            result[element] = {".": {}, **node} if node else {}
    elif isinstance(value, dict):
        for name, part in value.items():
            below = child(schema, name)
            node = _mentions(part, below)
            if not node and (node is None or part is None or part == {}):
                result["f:" + name] = {}
            elif name not in schema.properties:
                result["f:" + name] = {".": {}, **(node or {})}
            elif node:
                result["f:" + name] = node
    return result
