# SPDX-License-Identifier: Apache-2.0
"""What server-side apply refuses in an applied object: undeclared fields, wrong types, duplicates."""

from typing import Any

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.managedfields.elements import (
    UNTYPED,
    child,
    declares,
    element_of,
    is_leaf,
    missing_keys,
)
from pybernetes.apimachinery.patch.managedfields.fieldset import show_element
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object, gvk_of

_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "string"),
    "boolean": ((bool,), "boolean"),
    "integer": ((int, float), "numeric (int or float)"),
    "number": ((int, float), "numeric (int or float)"),
}
_EITHER = ("int-or-string", "quantity")


def check_applied(applied: Object, schema: Schema) -> None:
    """Raises ApiError 500, as upstream does, naming the first finding."""
    found = _find(applied, schema)
    if found:
        space, name = meta.namespace(applied), meta.name(applied)
        group, version, kind = gvk_of(applied)
        gvk = f"{group}/{version}, Kind={kind}"
        message = f"failed to create typed patch object ({space}/{name}; {gvk}): {found}"
        raise ApiError(500, "", message)


def _find(value: Any, schema: Schema) -> str:
    """The first finding as "path: text"; "" if there is none."""
    if value is None or schema.type == "any":
        return ""
    if schema.type == "array":
        return _find_list(value, schema)
    if schema.type in ("object", "map"):
        return _find_map(value, schema)
    return _find_scalar(value, schema)


def _find_scalar(value: Any, schema: Schema) -> str:
    types, wanted = _SCALARS[schema.type]
    if schema.format in _EITHER:
        return ""
    if not isinstance(value, types) or (isinstance(value, bool) and schema.type != "boolean"):
        return f": expected {wanted}, got {_show(value)}"
    return ""


def _find_map(value: Any, schema: Schema) -> str:
    if not isinstance(value, dict):
        return "" if schema.preserve_unknown else f": expected map, got {_show(value)}"
    for name, part in value.items():
        if not declares(schema, name):
            return f".{name}: field not declared in schema"
        found = _find(part, child(schema, name))
        if found:
            return f".{name}{found}"
    return ""


def _find_list(value: Any, schema: Schema) -> str:
    if not isinstance(value, list):
        return f": expected list, got {_show(value)}"
    items = schema.items or UNTYPED
    seen: set[str] = set()
    for position, item in enumerate(value):
        if not is_leaf(schema, value):
            if missing_keys(schema, item):
                keys = ", ".join(schema.list_keys)
                return f': element {position}: associative list with keys has an element that omits key field "{keys}"'
            element = element_of(schema, item)
            if element in seen:
                return f": duplicate entries for key {show_element(element)}"
            seen.add(element)
        found = _find(item, items)
        if found:
            at = f"[{position}]" if is_leaf(schema, value) else show_element(element)
            return f"{at}{found}"
    return ""


def _show(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "int", float: "float", list: "list", dict: "map"}
    return f"&{{{value}}}" if isinstance(value, str) else names.get(type(value), "null")
