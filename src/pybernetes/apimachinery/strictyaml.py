# SPDX-License-Identifier: Apache-2.0
"""YAML bodies as JSON values, as sigs.k8s.io/yaml (goyaml v2) reads them, but bounded.

Plain scalars resolve to null, booleans (yes and on too), integers (0x, 0o, 0b and leading 0) and
floats; there are no timestamps and no sexagesimals. Keys become strings. Aliases, NaN, infinities,
merge keys and unknown tags are refused by name.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from pybernetes.apimachinery.strictjson import MAX_DEPTH, SyntaxFault

_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_NULL = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAGS = "tag:yaml.org,2002:"
_Event = Any


def decode(data: bytes) -> tuple[Any, list[str]]:
    """The value of the one document, and the keys that were set twice, in goyaml's words.

    Raises SyntaxFault.
    """
    return _read(data, None)


Lines = dict[tuple[int, str | int], int]


def decode_lined(data: bytes) -> tuple[Any, list[str], Lines]:
    """As `decode`, and the line of every item: (id of its dict or list, key or index) -> line."""
    lines: Lines = {}
    return *_read(data, lines), lines


def _read(data: bytes, lines: Lines | None) -> tuple[Any, list[str]]:
    reader = _Reader(yaml.parse(data, Loader=_LOADER), lines)
    try:
        return reader.document()
    except SyntaxFault as error:
        if lines is None:
            raise
        text = str(error).removeprefix("yaml: ")
        raise SyntaxFault(f"yaml: line {reader.line}: {text}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            raise SyntaxFault(f"yaml: {str(error).splitlines()[0]}") from error
        text = getattr(error, "problem", "")
        raise SyntaxFault(f"yaml: line {mark.line + 1}: {text}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reader:
    """Builds values from the parser's events; no aliases, so work is bounded by the text."""

    def __init__(self, events: Iterator[_Event], lines: Lines | None) -> None:
        self._events = events
        self._lines = lines
        self.line = 1  # where it has come to
        self._repeated: list[str] = []

    def document(self) -> tuple[Any, list[str]]:
        value: Any = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = self._value(next(self._events), 0)
                break
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise SyntaxFault("yaml: more than one document")
        return value, self._repeated

    def _value(self, event: _Event, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise SyntaxFault("yaml: exceeded max depth")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        raise SyntaxFault("yaml: aliases are not supported")

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            self._note(found, len(found), event)
            found.append(self._value(event, depth + 1))
        return found

    def _note(self, parent: Any, key: str | int, event: _Event) -> None:
        if self._lines is not None:
            self.line = self._lines[id(parent), key] = event.start_mark.line + 1

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event)
            if key in found:
                line = event.start_mark.line + 1
                self._repeated.append(f'line {line}: key "{key}" already set in map')
            self._note(found, key, event)
            found[key] = self._value(next(self._events), depth + 1)
        return found

    def _key(self, event: _Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise SyntaxFault("yaml: a key must be a scalar")
        if event.value == "<<" and not event.style:
            raise SyntaxFault("yaml: merge keys are not supported")
        value = _scalar(event)
        if isinstance(value, bool):
            return "true" if value else "false"
        return event.value if value is None else str(value)


def _scalar(event: _Event) -> Any:
    tag = event.tag or ""
    if event.style or tag in {"!", f"{_TAGS}str"}:
        if tag not in {"", "!", f"{_TAGS}str"}:
            raise SyntaxFault(f"yaml: tag {tag} is not supported")
        return event.value
    if tag and tag not in {f"{_TAGS}{name}" for name in ("int", "float", "bool", "null")}:
        raise SyntaxFault(f"yaml: tag {tag} is not supported")
    return _plain(event.value)


def _plain(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "+-.0123456789":
        return text
    bare = text.replace("_", "")
    if _INTEGER.fullmatch(bare):
        return _integer(bare)
    if _NOT_FINITE.fullmatch(text):
        raise SyntaxFault(f"json: unsupported value: {text}")
    if _FLOAT.fullmatch(bare):
        return float(bare)
    return text


def _integer(text: str) -> int | float:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lower()
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        digits = "0o" + digits[1:]
    number = sign * int(digits, 0)
    return number if -(2**63) <= number < 2**64 else float(number)
