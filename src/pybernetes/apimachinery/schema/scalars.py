# SPDX-License-Identifier: Apache-2.0
"""Scalars of built-in types: what upstream's decoders accept, and the form they write back."""

import binascii
import datetime
import re
from collections.abc import Callable
from typing import Any

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.timestamps import rfc3339, rfc3339_micro

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ILLEGAL_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
Convert = Callable[[Any], Any]


class DecodeError(ValueError):
    """The value is not of the type; the message is upstream's (encoding/json)."""


class Mismatch(DecodeError):
    """A wrong JSON type or range; where it was found is added on the way up."""

    def __init__(self, value: str, go_type: str) -> None:
        super().__init__()
        self.value = value
        self.go_type = go_type
        self.struct = ""
        self.fields: list[str] = []

    def __str__(self) -> str:
        if not self.struct:
            return f"json: cannot unmarshal {self.value} into Go value of type {self.go_type}"
        where = ".".join((self.struct, *reversed(self.fields)))
        return (
            f"json: cannot unmarshal {self.value} into Go struct field {where} "
            f"of type {self.go_type}"
        )


def json_type(value: Any) -> str:
    """What Go's decoder calls a JSON value."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, dict) else "array"


_GO_SCALARS = {"string": "string", "boolean": "bool", "number": "float64", "any": "interface {}"}


def go_type(schema: Schema | None) -> str:
    """The Go type behind a schema, as reflection prints it."""
    if schema is None:
        return "interface {}"
    if schema.go_type:
        return schema.go_type
    if schema.type == "array":
        return "[]" + go_type(schema.items)
    if schema.type == "map":
        return "map[string]" + go_type(schema.values)
    if schema.type == "object":
        return ".".join(schema.name.rsplit(".", 2)[-2:])
    if schema.type == "integer":
        found = schema.format or "int64"
    else:
        found = "[]uint8" if schema.format == "byte" else _GO_SCALARS[schema.type]
    return found


def _ranged(limit: int, go_type: str) -> Convert:
    def check(value: int) -> int:
        if -limit <= value < limit:
            return value
        raise Mismatch(f"number {value}", go_type)

    return check


int32 = _ranged(2**31, "int32")
int64 = _ranged(2**63, "int64")


def number(value: Any) -> Any:
    if type(value) is float or type(value) is int:
        return value
    raise Mismatch(json_type(value), "float64")


def int_or_string(value: Any) -> Any:
    if type(value) is str:
        return value
    if type(value) is int:
        return int32(value)
    shown = f"number {value}" if type(value) is float else json_type(value)
    raise Mismatch(shown, "int32")


def to_quantity(value: Any) -> str:
    """The canonical text of a quantity written as a string or a number."""
    if type(value) not in {str, int, float}:
        value = "true"  # upstream parses the raw JSON, which never is a quantity
    try:
        return quantity.canonical(value)
    except quantity.QuantityError as error:
        raise DecodeError(str(error)) from error


def time(value: Any) -> str:
    """metav1.Time: UTC, whole seconds."""
    if type(value) is str and len(value) == 20 and value[-1] == "Z" and _TIME.fullmatch(value):
        return value
    return rfc3339(_parse_time(value))


def micro_time(value: Any) -> str:
    """metav1.MicroTime: UTC, six digits behind the second."""
    return rfc3339_micro(_parse_time(value))  # (strftime does not pad early years)


def _parse_time(value: Any) -> datetime.datetime:
    if type(value) is not str:
        raise Mismatch(json_type(value), "string")
    match = _TIME.fullmatch(value)
    try:
        if match is None:
            raise ValueError(value)
        text = value  # finer than microseconds is cut off
        if match[1] is not None and len(match[1]) > 7:
            text = value[: match.start(1) + 7] + match[2]
        return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise DecodeError(
            f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": '
            f'cannot parse "{value}" as "2006"'
        ) from error


def base64(value: str) -> str:
    """[]byte; line breaks are allowed and dropped, as Go does."""
    try:
        data = value.encode()
        if b"\n" in data or b"\r" in data:
            data = data.replace(b"\n", b"").replace(b"\r", b"")
        binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise DecodeError(
            f"illegal base64 data at input byte {_bad_byte(value.encode(errors='replace'))}"
        ) from error
    return value if len(data) == len(value) else data.decode()


def _bad_byte(data: bytes) -> int:
    found = _ILLEGAL_BASE64.search(data)
    return found.start() if found else len(data) // 4 * 4


def converter(schema: Schema) -> Convert | None:
    """How a scalar of this schema is checked beyond its JSON type; None: not at all."""
    if schema.type == "integer":
        return int32 if schema.format == "int32" else int64
    if schema.type == "number":
        return number
    if schema.format == "date-time":
        return micro_time if schema.name.endswith(".MicroTime") else time
    return _BY_FORMAT.get(schema.format)


_BY_FORMAT: dict[str, Convert] = {
    "quantity": to_quantity,
    "int-or-string": int_or_string,
    "byte": base64,
}
