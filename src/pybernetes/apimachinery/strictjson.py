# SPDX-License-Identifier: Apache-2.0
"""JSON bodies: decoded by orjson, bounded in depth, with a look for equal keys when asked.

orjson refuses NaN, but keeps the last of two equal keys and turns integers over 64 bits into
floats. The schema's integer check refuses such floats; equal keys are looked for cheaply: only
where a text has more keys than its value is it read again, slowly.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

MAX_DEPTH = 200  # levels of objects and lists; everything behind this may recurse
_GAPS = (b" :", b"\t:", b"\r:", b"\n:")
_KEY = re.compile(rb'"[ \t\r\n]*:')
_QUOTED_KEY = re.compile(rb'\\"[ \t\r\n]*:')  # inside a string


class SyntaxFault(ValueError):
    """The text is not JSON (or YAML), or too deep."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A key in the order of the text; `repeated` when its object already had it."""

    path: str
    repeated: bool


def decode(data: bytes, levels: int = MAX_DEPTH) -> Any:
    """The value behind a JSON text. Raises SyntaxFault."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise SyntaxFault(_syntax_message(data, error)) from error
    if data.count(b"{") + data.count(b"[") > levels:
        check_depth(value, levels)
    return value


def check_depth(value: Any, levels: int = MAX_DEPTH) -> None:
    """Raises SyntaxFault for a value of more levels."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for item in level
            for inner in _inner(item)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return
    raise SyntaxFault("exceeded max depth")


def _inner(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _syntax_message(data: bytes, error: orjson.JSONDecodeError) -> str:
    """Upstream's words for the common faults."""
    if not data.strip() or error.pos >= len(error.doc.rstrip()):
        return "unexpected end of JSON input"
    return f"invalid character {error.doc[error.pos]!r}: {error.msg}"


def duplicate_keys(data: bytes, value: Any) -> list[Occurrence]:
    """Every key of the text in its order, if any object has one twice; else nothing.

    `value` is what `data` decoded to, unchanged.
    """
    if _written_keys(data) == _count_keys(value):
        return []
    found: list[Occurrence] = []
    _walk(json.loads(data, object_pairs_hook=_Pairs), "", found)
    return found if any(one.repeated for one in found) else []


def findings(occurrences: list[Occurrence], unknown: list[str]) -> list[str]:
    """Unknown and duplicate fields in the order of the text, each once, as upstream words them.

    `unknown` is what the schema check found (`unknown field "spec.foo"`); an unknown field that is
    there twice is only unknown.
    """
    if not occurrences:
        return unknown
    known = set(unknown)
    found: dict[str, None] = {}
    for one in occurrences:
        text = f'unknown field "{one.path}"'
        if text in known:
            found[text] = None
        elif one.repeated and not _below(one.path, known):
            found[f'duplicate field "{one.path}"'] = None
    return [*found, *(text for text in unknown if text not in found)]


def _below(path: str, unknown: set[str]) -> bool:
    """Whether a path lies inside an unknown field, which nobody looks into."""
    ends = [at for at, character in enumerate(path) if character in ".["]
    return any(f'unknown field "{path[:end]}"' in unknown for end in ends)


class _Pairs(list[tuple[str, Any]]):
    """An object as the pairs written."""


def _walk(value: Any, path: str, found: list[Occurrence]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            inner = f"{path}.{key}" if path else key
            found.append(Occurrence(inner, key in seen))
            seen.add(key)
            _walk(item, inner, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", found)


def _written_keys(data: bytes) -> int:
    """How many keys the text has, or -1 where that is not plain to see; odd strings may add some."""
    if b'\\\\"' in data:
        return -1
    if not any(gap in data for gap in _GAPS):
        return data.count(b'":') - data.count(b'\\":')
    return len(_KEY.findall(data)) - len(_QUOTED_KEY.findall(data))


def _count_keys(value: Any) -> int:
    if type(value) is dict:
        count = len(value)
        for item in value.values():
            if type(item) is dict or type(item) is list:
                count += _count_keys(item)
        return count
    count = 0
    if type(value) is list:
        for item in value:
            if type(item) is dict or type(item) is list:
                count += _count_keys(item)
    return count
