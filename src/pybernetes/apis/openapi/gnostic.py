# SPDX-License-Identifier: Apache-2.0
"""The swagger document in gnostic's protobuf (openapi.v2.Document), which client-go asks for.

data/gnostic.json has the messages, with the field numbers of google/gnostic-models
openapiv2/OpenAPIv2.proto: a row is the key in the JSON form, where its value goes, and how. "22.1"
is field 1 of a message in field 22. How: a word of _ENCODERS; the name of a message; or
`map E V MESSAGE`, a message whose field E has an entry for each key, its value at V.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis.data.sections import document

_WHERE = {"body": "1.1", "query": "1.2.3", "path": "1.2.4"}  # of a kind of parameter in its item
_Row = tuple[str, Sequence[int], str]


@cache
def _messages() -> Mapping[str, Sequence[_Row]]:
    return {
        name: [(key, _numbers(at), how) for key, at, how in rows]
        for name, rows in document("gnostic.json").items()
    }


def _numbers(path: str) -> list[int]:
    return [int(number) for number in path.split(".")]


def encoded(head: Object, paths: Mapping[str, Object], schemas: Mapping[str, Object]) -> bytes:
    """The whole Document from its head, its paths and its definitions (as JSON)."""
    return _message("Document", {**head, "paths": paths, "definitions": schemas})


def _varint(number: int) -> bytes:
    found = bytearray()
    number &= 2**64 - 1
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _bytes(path: Sequence[int], data: bytes) -> bytes:
    """Data in a field, of a message in a field where the path says so."""
    for field in reversed(path):
        data = _varint(field << 3 | 2) + _varint(len(data)) + data
    return data


def _text(path: Sequence[int], text: str | None) -> bytes:
    return _bytes(path, text.encode()) if text else b""


def _any(path: Sequence[int], value: Any) -> bytes:
    """Any holds YAML; JSON is YAML."""
    return _bytes((*path, 2), orjson.dumps(value) + b"\n")


def _parameter(path: Sequence[int], one: Object) -> bytes:
    where = one["in"]
    return _bytes((*path, *_numbers(_WHERE[where])), _message(where, one))


def _additional(path: Sequence[int], value: Any) -> bytes:
    """AdditionalPropertiesItem: a schema or a boolean."""
    if isinstance(value, bool):
        return _bytes(path, _varint(2 << 3) + (b"\x01" if value else b"\x00"))
    return _bytes((*path, 1), _message("Schema", value))


def _extensions(path: Sequence[int], obj: Object) -> bytes:
    """The x- keys, as NamedAny."""
    found = [(key, value) for key, value in obj.items() if key.startswith("x-")]
    return b"".join(_bytes(path, _text((1,), key) + _any((2,), value)) for key, value in found)


_ENCODERS: Mapping[str, Callable[[Sequence[int], Any], bytes]] = {
    "text": _text,
    "texts": lambda path, texts: b"".join(_bytes(path, text.encode()) for text in texts),
    "true": lambda path, value: _varint(path[0] << 3) + b"\x01" if value else b"",
    "int": lambda path, value: _varint(path[0] << 3) + _varint(value),
    "double": lambda path, value: _varint(path[0] << 3 | 1) + struct.pack("<d", value),
    "any": _any,
    "anys": lambda path, values: b"".join(_any(path, value) for value in values),
    "parameters": lambda path, items: b"".join(_parameter(path, one) for one in items),
    "additional": _additional,
}


def _message(name: str, obj: Object) -> bytes:
    parts = []
    for key, path, how in _messages()[name]:
        if how == "extensions":
            parts.append(_extensions(path, obj))
        elif key in obj:
            parts.append(_value(how, path, obj[key]))
    return b"".join(parts)


def _value(how: str, path: Sequence[int], value: Any) -> bytes:
    encode = _ENCODERS.get(how)
    if encode is not None:
        return encode(path, value)
    word, *rest = how.split()
    if word == "map":
        return _bytes(path, _entries(rest, value))
    if word == "maps":
        return b"".join(_bytes(path, _entries(rest, one)) for one in value)
    if word == "list":
        return b"".join(_bytes(path, _message(rest[0], one)) for one in value)
    return _bytes(path, _message(word, value))


def _entries(how: Sequence[str], found: Mapping[str, Any]) -> bytes:
    entry, at, message = _numbers(how[0]), _numbers(how[1]), how[2]
    return b"".join(
        _bytes(entry, _bytes((1,), key.encode()) + _bytes(at, _message(message, value)))
        for key, value in found.items()
    )
