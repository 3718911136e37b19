# SPDX-License-Identifier: Apache-2.0
"""The swagger document in gnostic's protobuf (openapi.v2.Document), which client-go asks for.

Field numbers are those of google/gnostic-models openapiv2/OpenAPIv2.proto. Messages are built from
the JSON form; repeated entries only ever follow one another, so parts may be joined.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from pybernetes.apimachinery.types import Object

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_SCHEMA_NUMBERS = {"maximum": 7, "minimum": 9}
_SCHEMA_INTEGERS = {"maxLength": 11, "minLength": 12, "maxItems": 14, "minItems": 15,
                    "maxProperties": 17, "minProperties": 18}  # fmt: skip
_SCHEMA_BOOLEANS = {"exclusiveMaximum": 8, "exclusiveMinimum": 10, "uniqueItems": 16}


def _varint(number: int) -> bytes:
    found = bytearray()
    number &= 2**64 - 1
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str | None) -> bytes:
    return _bytes(field, text.encode()) if text else b""


def _texts(field: int, texts: Iterable[str]) -> bytes:
    return b"".join(_bytes(field, text.encode()) for text in texts)


def _true(field: int, value: Any) -> bytes:
    return _varint(field << 3) + b"\x01" if value else b""


def _any(value: Any) -> bytes:
    """Any holds YAML; JSON is YAML."""
    return _bytes(2, orjson.dumps(value) + b"\n")


def _extensions(field: int, obj: Mapping[str, Any]) -> bytes:
    """The x- keys, as NamedAny."""
    found = b""
    for key, value in obj.items():
        if key.startswith("x-"):
            found += _bytes(field, _text(1, key) + _bytes(2, _any(value)))
    return found


def document(head: Object, found: Mapping[str, Object], schemas: Mapping[str, Object]) -> bytes:
    """The whole Document from its head, its paths and its definitions (as JSON)."""
    info = head["info"]
    security = b""
    for name, one in head["securityDefinitions"].items():
        key = _text(1, one["type"]) + _text(2, one["name"]) + _text(3, one["in"])
        item = _bytes(2, key + _text(4, one.get("description")))
        security += _bytes(1, _text(1, name) + _bytes(2, item))
    required = b"".join(
        _bytes(12, _bytes(1, _text(1, name) + _bytes(2, b"")))
        for one in head["security"]
        for name in one
    )
    return b"".join(
        (
            _text(1, head["swagger"]),
            _bytes(2, _text(1, info["title"]) + _text(2, info["version"])),
            _bytes(8, paths(found)),
            _bytes(9, definitions(schemas)),
            required,
            _bytes(13, security),
        )
    )


def paths(items: Mapping[str, Object]) -> bytes:
    """Entries of Paths; joins with others."""
    return b"".join(
        _bytes(2, _text(1, path) + _bytes(2, _path_item(item))) for path, item in items.items()
    )


def definitions(schemas: Mapping[str, Object]) -> bytes:
    """Entries of Definitions (or of Properties); joins with others."""
    return b"".join(
        _bytes(1, _bytes(1, name.encode()) + _bytes(2, _schema(schema)))
        for name, schema in schemas.items()
    )


def _path_item(item: Object) -> bytes:
    found = b"".join(
        _bytes(number, _operation(item[method]))
        for method, number in _METHODS.items()
        if method in item
    )
    return found + b"".join(_bytes(9, _parameter(one)) for one in item.get("parameters", ()))


def _operation(one: Object) -> bytes:
    responses = b"".join(
        _bytes(1, _text(1, code) + _bytes(2, _bytes(1, _response(answer))))
        for code, answer in one["responses"].items()
    )
    return b"".join(
        (
            _texts(1, one["tags"]),
            _text(3, one["description"]),
            _text(5, one["operationId"]),
            _texts(6, one["produces"]),
            _texts(7, one["consumes"]),
            *(_bytes(8, _parameter(parameter)) for parameter in one.get("parameters", ())),
            _bytes(9, responses),
            _texts(10, one["schemes"]),
            _extensions(13, one),
        )
    )


def _response(answer: Object) -> bytes:
    found = _text(1, answer["description"])
    if "schema" in answer:
        found += _bytes(2, _bytes(1, _schema(answer["schema"])))
    return found


def _parameter(one: Object) -> bytes:
    """A ParametersItem holding a Parameter."""
    if one["in"] == "body":
        body = _text(1, one.get("description")) + _text(2, one["name"]) + _text(3, "body")
        body += _true(4, one.get("required")) + _bytes(5, _schema(one["schema"]))
        return _bytes(1, _bytes(1, body))
    # PathParameterSubSchema has no allow_empty_value, so its later fields are one lower.
    query = one["in"] == "query"
    shift = 1 if query else 0
    plain = _true(1, one.get("required")) + _text(2, one["in"]) + _text(3, one.get("description"))
    plain += _text(4, one["name"]) + _text(5 + shift, one["type"])
    plain += _true(19 + shift, one.get("uniqueItems"))
    return _bytes(1, _bytes(2, _bytes(3 if query else 4, plain)))


def _schema(schema: Object) -> bytes:
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(3, schema.get("title")),
        _text(4, schema.get("description")),
    ]
    if "default" in schema:
        parts.append(_bytes(5, _any(schema["default"])))
    parts += _bounds(schema)
    parts.append(_texts(19, schema.get("required", ())))
    parts += [_bytes(20, _any(value)) for value in schema.get("enum", ())]
    if "additionalProperties" in schema:
        parts.append(_bytes(21, _additional(schema["additionalProperties"])))
    if "type" in schema:
        parts.append(_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_bytes(23, _bytes(1, _schema(schema["items"]))))
    parts += [_bytes(24, _schema(one)) for one in schema.get("allOf", ())]
    if "properties" in schema:
        parts.append(_bytes(25, definitions(schema["properties"])))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _bounds(schema: Object) -> Iterable[bytes]:
    for key, field in _SCHEMA_NUMBERS.items():
        if key in schema:
            yield _varint(field << 3 | 1) + struct.pack("<d", schema[key])
    for key, field in _SCHEMA_INTEGERS.items():
        if key in schema:
            yield _varint(field << 3) + _varint(schema[key])
    for key, field in _SCHEMA_BOOLEANS.items():
        yield _true(field, schema.get(key))
    if schema.get("pattern"):
        yield _text(13, schema["pattern"])


def _additional(value: Any) -> bytes:
    """AdditionalPropertiesItem: a schema or a boolean."""
    if isinstance(value, bool):
        return _varint(2 << 3) + (b"\x01" if value else b"\x00")
    return _bytes(1, _schema(value))
