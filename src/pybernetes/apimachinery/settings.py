# SPDX-License-Identifier: Apache-2.0
"""Settings files (stages, labs): YAML checked against a JSON Schema, faults with line numbers.

The schema is the one that is published, read by this small interpreter: type, properties,
additionalProperties, required, items, minItems, enum, pattern, minimum, maximum, minProperties,
maxProperties, anyOf (told apart by type), $ref within the document. A `pattern`'s fault is worded
by the `description` beside it.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pybernetes.apimachinery.strictjson import SyntaxFault
from pybernetes.apimachinery.strictyaml import Lines, decode_lined

JsonSchema = Mapping[str, Any]
Path = tuple[str | int, ...]
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


class Fault(NamedTuple):
    """Something wrong at a line (0: nowhere in particular)."""

    line: int
    path: str
    detail: str

    def __str__(self) -> str:
        parts = [f"line {self.line}" if self.line else "", self.path, self.detail]
        return ": ".join(part for part in parts if part)


class SettingsError(ValueError):
    """The file cannot be used: its faults, one a line, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in sorted(faults)))
        self.faults = sorted(faults)

    def told(self, file: object) -> str:
        """FILE:LINE: PATH: MESSAGE for each, under a line that counts them."""
        rows = [
            f"{file}:{max(1, line)}: {': '.join(filter(None, (at, text)))}"
            for line, at, text in self.faults
        ]
        return "\n".join([f"{file} has {len(rows)} error(s)", *rows])


class Settings:
    """A decoded file that fits its schema. `value` is what it says."""

    def __init__(self, value: Any, lines: Lines) -> None:
        self.value = value
        self._lines = lines

    def fault(self, path: Path, detail: str) -> Fault:
        """A fault at `path`, with the line of the nearest part that is there."""
        line, at = 0, self.value
        for step in path:
            line = self._lines.get((id(at), step), line)
            try:
                at = at[step]
            except (KeyError, IndexError, TypeError):
                break
        return Fault(line, _shown(path), detail)


def load(data: bytes, schema: JsonSchema) -> Settings:
    """Read a file. Raises SettingsError."""
    try:
        value, repeated, lines = decode_lined(data)
    except SyntaxFault as error:
        line, _, text = str(error).removeprefix("yaml: ").partition(": ")
        number = line.removeprefix("line ")
        if number.isdigit():
            raise SettingsError([Fault(int(number), "", text)]) from error
        raise SettingsError([Fault(0, "", str(error))]) from error
    settings = Settings(value, lines)
    faults = [settings.fault(path, detail) for path, detail in _check(value, schema, schema, ())]
    for text in repeated:
        line, _, detail = text.removeprefix("line ").partition(": ")
        faults.append(Fault(int(line), "", detail))
    if faults:
        raise SettingsError(faults)
    return settings


def _shown(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


_Found = Iterator[tuple[Path, str]]


def _check(value: Any, node: JsonSchema, root: JsonSchema, path: Path) -> _Found:
    node = _resolved(value, node, root)
    types = node.get("type", ())
    wanted = [types] if isinstance(types, str) else list(types)
    if wanted and not any(_is(value, name) for name in wanted):
        found = next(name for name in _TYPES if _is(value, name))
        yield path, f"must be {_listed(wanted)}, not {found}"
        return
    for detail in _scalar(value, node):
        yield path, detail
    if isinstance(value, list):
        if len(value) < node.get("minItems", 0) or len(value) > node.get("maxItems", len(value)):
            yield path, f"has {len(value)} items: {_bounds(node, 'Items')}"
        for index, item in enumerate(value):
            yield from _check(item, node.get("items", {}), root, (*path, index))
    if isinstance(value, dict):
        yield from _object(value, node, root, path)


def _scalar(value: Any, node: JsonSchema) -> Iterator[str]:
    if "enum" in node and value not in node["enum"]:
        yield f"{_text(value)} must be one of {', '.join(map(_text, node['enum']))}"
    if isinstance(value, str) and "pattern" in node and not re.search(node["pattern"], value):
        yield f"{_text(value)} is not {node.get('description', node['pattern'])}"
    if _is(value, "number"):
        if value < node.get("minimum", value):
            yield f"{value} must be at least {node['minimum']}"
        if value > node.get("maximum", value):
            yield f"{value} must be at most {node['maximum']}"


def _object(value: dict[str, Any], node: JsonSchema, root: JsonSchema, path: Path) -> _Found:
    known, other = node.get("properties", {}), node.get("additionalProperties", True)
    for key, item in value.items():
        if key in known:
            yield from _check(item, known[key], root, (*path, key))
        elif other is False:
            near = difflib.get_close_matches(key, known, 1)
            meant = f' (did you mean "{near[0]}"?)' if near else ""
            yield (*path, key), f"unknown{meant}; known here: {', '.join(known)}"
        elif other is not True:
            yield from _check(item, other, root, (*path, key))
    for key in node.get("required", ()):
        if key not in value:
            yield path, f'"{key}" is missing'
    least, most = node.get("minProperties", 0), node.get("maxProperties", len(value))
    if not least <= len(value) <= most:
        yield path, f"has {len(value)} keys: {_bounds(node, 'Properties')}"


def _resolved(value: Any, node: JsonSchema, root: JsonSchema) -> JsonSchema:
    """The node that rules `value`: references followed, of alternatives the one of its type."""
    while "$ref" in node:
        target: Any = root
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = {**target, **{key: item for key, item in node.items() if key != "$ref"}}
    if "anyOf" not in node:
        return node
    choices = [_resolved(value, choice, root) for choice in node["anyOf"]]
    for choice in choices:
        if _is(value, choice["type"]):
            return choice
    return {"type": [choice["type"] for choice in choices]}


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean") is isinstance(value, bool)


def _text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _listed(names: Sequence[str]) -> str:
    words = [f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in dict.fromkeys(names)]
    return " or ".join(words)


def _bounds(node: JsonSchema, what: str) -> str:
    least, most = node.get(f"min{what}", 0), node.get(f"max{what}")
    return f"at least {least}" if most is None else f"{least} to {most}"
