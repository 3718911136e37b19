# SPDX-License-Identifier: Apache-2.0
"""How a schema divides an object: what is one leaf, and by what name a list item goes."""

from json.encoder import encode_basestring
from typing import Any

import orjson

from pybernetes.apimachinery.schema.types import Schema

UNTYPED = Schema()  # one leaf whatever it holds (RawExtension, JSON)
DEDUCED = Schema(type="map", preserve_unknown=True)
DEDUCED.values = DEDUCED  # maps are divided, lists are leaves
_CONTAINERS = frozenset(("object", "map"))


def is_leaf(schema: Schema, value: Any) -> bool:
    """True if the value is owned as a whole."""
    if schema.type in _CONTAINERS:
        if schema is DEDUCED and not isinstance(value, dict):
            return True
        return schema.map_type == "atomic"
    if schema.type == "array":
        return schema.list_type not in ("map", "set")
    return True


def child(schema: Schema, name: str) -> Schema:
    """The schema of a field or key; DEDUCED where the schema lets unknown fields through."""
    found = schema.properties.get(name)
    if found is not None:
        return found
    if schema.values is not None:
        return schema.values
    return DEDUCED if schema.preserve_unknown else UNTYPED


def declares(schema: Schema, name: str) -> bool:
    if schema.type == "any" or schema.preserve_unknown:
        return True
    return name in schema.properties or schema.values is not None


def element_of(schema: Schema, item: Any) -> str:
    """The path element of one item of a list of type set or map."""
    if schema.list_type == "set" or not isinstance(item, dict):
        return "v:" + _json(item)
    parts = []
    items = schema.items or UNTYPED
    for key in sorted(schema.list_keys):
        value = item.get(key)
        if value is None:
            known = items.properties.get(key)
            value = known.default if known is not None else None
            if value is None:
                continue
        text = encode_basestring(value) if isinstance(value, str) else _json(value)
        parts.append(f'"{key}":{text}')
    return "k:{" + ",".join(parts) + "}"


def missing_keys(schema: Schema, item: Any) -> bool:
    """True for an item of a map list that has none of the keys."""
    return schema.list_type == "map" and element_of(schema, item) == "k:{}"


def index(schema: Schema, items: list[Any]) -> dict[str, list[Any]]:
    """The items by element, in order; more than one under an element is a duplicate."""
    result: dict[str, list[Any]] = {}
    for item in items:
        result.setdefault(element_of(schema, item), []).append(item)
    return result


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
