# SPDX-License-Identifier: Apache-2.0
"""Dropping what a structural schema (of a custom resource) does not know.

Built-in kinds are pruned by check.py. Source: apiextensions-apiserver pkg/apiserver/schema/pruning.
"""

from typing import Any

from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object

_EMBEDDED = frozenset({"apiVersion", "kind", "metadata"})


def prune(obj: Object, schema: Schema) -> list[str]:
    """Drop unknown fields of a whole custom resource, in place; their paths, sorted.

    apiVersion, kind and metadata are always kept, here and in embedded resources.
    """
    found: list[str] = []
    _object(obj, schema, "", found, whole=True)
    return sorted(found)


def _prune(value: Any, schema: Schema | None, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        if schema is not None and schema.type == "map":
            for key, item in value.items():
                _prune(item, schema.values, _join(path, key), found)
        else:
            _object(value, schema, path, found, whole=schema is not None and schema.embedded)
    elif isinstance(value, list):
        items = schema.items if schema is not None else None
        if schema is not None and schema.preserve_unknown and items is None:
            return
        for index, item in enumerate(value):
            _prune(item, items, f"{path}[{index}]", found)


def _object(
    value: Object, schema: Schema | None, path: str, found: list[str], *, whole: bool
) -> None:
    properties = schema.properties if schema is not None else {}
    keep = schema is not None and (schema.preserve_unknown or schema.type == "any")
    for key in list(value):
        if whole and key in _EMBEDDED:
            continue
        if key in properties:
            _prune(value[key], properties[key], _join(path, key), found)
        elif not keep:
            found.append(_join(path, key))
            del value[key]


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
