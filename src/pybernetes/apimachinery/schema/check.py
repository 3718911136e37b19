# SPDX-License-Identifier: Apache-2.0
"""Decoding an object of a built-in kind: types, unknown fields, defaults and canonical scalars.

One pass over the object, in place, does what upstream's decoder and encoder do to it together:
wrong types raise in upstream's words; unknown fields, nulls and empty optional fields are dropped;
quantities and times take their canonical form; schema defaults are filled in. Each schema is
compiled once into tables, because this runs on every write.

Left out: fields upstream always writes, empty or not (`resources: {}`), are not added.
"""

from collections.abc import Callable, MutableMapping
from copy import deepcopy
from typing import Any
from weakref import WeakKeyDictionary

from pybernetes.apimachinery.errors import ApiError, bad_request
from pybernetes.apimachinery.schema import scalars
from pybernetes.apimachinery.schema.scalars import Convert, DecodeError, Mismatch
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVK, Object

__all__ = ["DecodeError", "cannot_be_handled", "decode"]

_Path = tuple[Any, ...]  # () or (path of the parent, key or index)
_Found = list[_Path]
_Descend = Callable[[Any, _Path, _Found], None]
_Rule = tuple[type | None, bool, _Descend | None, Convert | None]
"""(JSON type, dropped when empty, how to go on into it, how to convert it)."""

_JSON_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": dict,
    "map": dict,
    "array": list,
}
_ANY_TYPE = {"quantity", "int-or-string", "date-time"}  # the converter looks at the type
_ZERO: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}
_NEVER_LEFT_OUT = (  # of statuses, and not required by the schema
    *("availableReplicas", "loadBalancer"),
    *("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"),
)


def decode(obj: Object, schema: Schema, at: str = "") -> list[str]:
    """Bring `obj` into the form of its type, in place; the unknown fields that were dropped.

    They are worded as upstream's strict decoder words them: `unknown field "spec.foo"`. `at` is
    where `obj` is in what was sent ("metadata" for a custom resource's). Raises DecodeError.
    """
    found: _Found = []
    if type(obj) is not dict:
        raise Mismatch(scalars.json_type(obj), scalars.go_type(schema))
    _plan(schema).walk(obj, ((), at) if at else (), found)
    return [f'unknown field "{_show(path)}"' for path in found]


def zero(schema: Schema) -> Object:
    """What upstream writes for an empty status: its fields that are never left out."""
    fields = [(key, child) for key, child in schema.properties.items() if not child.omit_zero]
    kept = {*schema.required, *_NEVER_LEFT_OUT}
    return {key: _ZERO.get(child.type, {}) for key, child in fields if key in kept}


def cannot_be_handled(gvk: GVK, detail: str) -> ApiError:
    """400: what upstream answers to a body that cannot be decoded."""
    return bad_request(
        f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {gvk.kind}: {detail}'
    )


def _show(path: _Path) -> str:
    if not path:
        return ""
    above, last = _show(path[0]), path[1]
    if isinstance(last, int):
        return f"{above}[{last}]"
    return f"{above}.{last}" if above else str(last)


class _Plan:
    """The tables of one object type."""

    __slots__ = ("defaults", "name", "rules", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.name = schema.name.rpartition(".")[2]
        self.rules: dict[str, _Rule] = {}
        self.defaults: list[tuple[str, Any]] = []

    def compile(self) -> None:
        for key, child in self.schema.properties.items():
            self.rules[key] = _rule(child)
            if child.default is not None:
                self.defaults.append((key, child.default))

    def walk(self, value: Object, path: _Path, found: _Found) -> None:
        rules = self.rules
        drop: list[str] = []
        key = ""
        try:
            for key, item in value.items():
                rule = rules.get(key)
                if rule is None:
                    found.append((path, key))
                    drop.append(key)
                    continue
                expected, omit, descend, convert = rule
                if type(item) is expected:
                    if omit and not item:
                        drop.append(key)
                    elif descend is not None:
                        descend(item, (path, key), found)
                    elif convert is not None:
                        value[key] = convert(item)
                elif item is None:
                    drop.append(key)
                else:
                    value[key] = _other(item, rule, self.schema.properties[key])
        except Mismatch as error:
            error.struct = error.struct or self.name
            error.fields.append(key)
            raise
        if drop or self.defaults:
            self._tidy(value, drop)

    def _tidy(self, value: Object, drop: list[str]) -> None:
        for key in drop:
            del value[key]
        for key, default in self.defaults:
            if key not in value:
                value[key] = deepcopy(default) if type(default) in {dict, list} else default


def _other(item: Any, rule: _Rule, schema: Schema) -> Any:
    """A value whose JSON type is not fixed, or is wrong."""
    expected, _, _, convert = rule
    if expected is None:
        return convert(item) if convert else item
    shown = scalars.json_type(item)
    if expected is int and type(item) is float:
        shown = f"number {item!r}"
    raise Mismatch(shown, scalars.go_type(schema))


_plans: MutableMapping[Schema, _Plan] = WeakKeyDictionary()


def _plan(schema: Schema) -> _Plan:
    plan = _plans.get(schema)
    if plan is None:
        plan = _plans[schema] = _Plan(schema)
        plan.compile()
    return plan


def _rule(schema: Schema) -> _Rule:
    convert = scalars.converter(schema)
    if schema.type == "object":
        return dict, False, _plan(schema).walk, None
    if schema.type == "array" and schema.items is not None:
        return list, schema.omit_zero, _walker(schema.items), None
    if schema.type == "map" and schema.values is not None:
        return dict, schema.omit_zero, _walker(schema.values), None
    if schema.type in {"any", "number"} or schema.format in _ANY_TYPE:
        return None, False, None, convert
    return _JSON_TYPES[schema.type], schema.omit_zero, None, convert


def _zero(schema: Schema) -> Any:
    """What null decodes to inside a list or map."""
    if schema.format in _ANY_TYPE:
        return {"quantity": "0", "int-or-string": 0}.get(schema.format)
    if schema.type == "object":
        return {}
    return _ZERO.get(schema.type)


def _walker(schema: Schema) -> _Descend:
    """Checks the items of a list or the values of a map."""
    rule = _rule(schema)
    expected, _, descend, convert = rule

    def walk(value: Any, path: _Path, found: _Found) -> None:
        for key, item in enumerate(value) if type(value) is list else value.items():
            if type(item) is expected:
                if descend is not None:
                    descend(item, (path, key), found)
                elif convert is not None:
                    value[key] = convert(item)
            elif item is None:
                value[key] = _zero(schema)
            else:
                value[key] = _other(item, rule, schema)

    return walk
