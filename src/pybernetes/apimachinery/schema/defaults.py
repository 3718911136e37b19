# SPDX-License-Identifier: Apache-2.0
"""Defaults of structural schemas (of custom resources), and what nulls mean beside them.

Built-in kinds get theirs from check.py. Source: apiextensions-apiserver pkg/apiserver/schema/defaulting.
"""

from copy import deepcopy
from typing import Any

from pybernetes.apimachinery.schema.types import Schema


def apply_defaults(value: Any, schema: Schema | None) -> None:
    """Fill in defaults, in place: where a field is missing, or null and not nullable."""
    if schema is None:
        return
    if isinstance(value, dict):
        for key, child in schema.properties.items():
            if child.default is not None and _lacks(value, key, child):
                value[key] = deepcopy(child.default)
        for key in value:
            _item(value, key, schema.properties.get(key) or schema.values)
    elif isinstance(value, list):
        for index in range(len(value)):
            _item(value, index, schema.items)


def _lacks(value: dict[str, Any], key: str, child: Schema) -> bool:
    return key not in value or (value[key] is None and not child.nullable)


def _item(container: Any, at: Any, schema: Schema | None) -> None:
    if schema is None:
        return
    if container[at] is None and schema.default is not None and not schema.nullable:
        container[at] = deepcopy(schema.default)
    apply_defaults(container[at], schema)


def drop_nulls(value: Any, schema: Schema | None) -> None:
    """Drop nulls of fields that are not nullable and have no default, in place."""
    if schema is None:
        return
    if isinstance(value, dict):
        for key in list(value):
            child = schema.properties.get(key) or schema.values
            stray = value[key] is None and child is not None and not child.nullable
            if stray and child is not None and child.default is None:
                del value[key]
            else:
                drop_nulls(value[key], child)
    elif isinstance(value, list):
        for item in value:
            drop_nulls(item, schema.items)
