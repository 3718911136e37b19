# SPDX-License-Identifier: Apache-2.0
"""Request bodies in protobuf, as typed Go clients send them, decoded into JSON objects.

A body is `k8s\\0` and an envelope (runtime.Unknown) around the message of the kind. Messages are
read by tables, one a type, made from the distilled types (field numbers, inlined messages) when a
type is first met. The result is what Go would make of the message in JSON, but for nulls, which
are left out. Nothing here encodes: answers stay JSON, which every client accepts.

proto2 as upstream's generator writes it: a field that is no pointer is always on the wire, zero or
not, so zeros are dropped where the JSON tag says omitempty (a pointer's zero is kept). Errors are
in upstream's words. Other than upstream, a message that comes twice replaces the first one.
"""

import base64
import datetime
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pybernetes.apimachinery import strictjson, timestamps
from pybernetes.apimachinery.types import Object

PREFIX = b"k8s\0"
_Node = dict[str, Any]
_Read = Callable[[bytes, int, int, int], Any]
"""(data, start, end, levels of JSON above) -> value."""
_Convert = Callable[[int], Any]
_Put = Callable[[Object, str, Any], None]
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)  # Go's zero time
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_OR = _EXTENSIONS + "JSONSchemaPropsOr"
# An inlined message that has one inlined itself: the distilled types list its fields flat.
_INLINED = {
    "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations": (
        "io.k8s.api.admissionregistration.v1.RuleWithOperations"
    )
}
_VARINT, _FIXED64, _BYTES, _, _GROUP_END, _FIXED32 = range(6)


class Fault(ValueError):
    """The bytes are not the message they should be."""


def unwrap(body: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and message of a body. Raises Fault."""
    if not body:
        raise Fault("empty data")
    if not body.startswith(PREFIX):
        raise Fault(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    if len(body) == len(PREFIX):
        raise Fault("empty body")
    found = _guarded(_ENVELOPE.read, body, len(PREFIX))
    meta = found.get("typeMeta", {})
    return meta.get("apiVersion", ""), meta.get("kind", ""), found.get("raw", b"")


def _guarded(read: _Read, data: bytes, start: int) -> Object:
    try:
        found: Object = read(data, start, len(data), 0)
        return found
    except IndexError:
        raise Fault("unexpected EOF") from None
    except strictjson.SyntaxFault as error:
        raise Fault(str(error)) from None


# Wire format


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    """An unsigned number and where it ends."""
    value = data[pos]
    pos += 1
    if value < 128:
        return value, pos
    value &= 127
    for shift in range(7, 70, 7):
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, pos
    raise Fault("proto: integer overflow")


def _skip(data: bytes, pos: int, wire: int) -> int:
    """Where the value of an unknown field ends. Groups are not known: no message has any."""
    if wire == _VARINT:
        return _varint(data, pos)[1]
    if wire == _BYTES:
        size, pos = _varint(data, pos)
        return pos + size
    if wire in (_FIXED32, _FIXED64):
        return pos + (4 if wire == _FIXED32 else 8)
    raise Fault(f"proto: illegal wireType {wire}")


def _int64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _int32(value: int) -> int:
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value


_SCALARS: dict[str, tuple[_Convert, int]] = {
    "i": (_int64, _VARINT),
    "b": (bool, _VARINT),
    "n": (lambda value: struct.unpack("<d", value.to_bytes(8, "little"))[0], _FIXED64),
}


# Values that have a length


def _text(data: bytes, start: int, end: int, _depth: int) -> str:
    return data[start:end].decode(errors="replace")


def _bytes(data: bytes, start: int, end: int, _depth: int) -> bytes:
    return data[start:end]


def _base64(data: bytes, start: int, end: int, _depth: int) -> str:
    return base64.b64encode(data[start:end]).decode()


def _number(data: bytes, pos: int, wire: int) -> tuple[int, int]:
    if wire == _VARINT:
        return _varint(data, pos)
    return int.from_bytes(data[pos : pos + 8], "little"), pos + 8


# How a value goes into its object


def _put(out: Object, name: str, value: Any) -> None:
    out[name] = value


def _put_nonzero(out: Object, name: str, value: Any) -> None:
    if value:
        out[name] = value


def _put_known(out: Object, name: str, value: Any) -> None:
    if value is not None:
        out[name] = value


def _append(out: Object, name: str, value: Any) -> None:
    if name in out:
        out[name].append(value)
    else:
        out[name] = [value]


def _put_entry(out: Object, name: str, value: tuple[str, Any]) -> None:
    out.setdefault(name, {})[value[0]] = value[1]


def _merge(out: Object, _name: str, value: Object) -> None:
    out.update(value)


class _Field(NamedTuple):
    name: str
    read: _Read | None  # of bytes
    convert: _Convert  # of a number
    put: _Put
    levels: int  # of JSON that the value is below its object


class _Message:
    """The table of one message: tags (number and wire type) -> fields."""

    __slots__ = ("_compile", "fields", "name")

    def __init__(self, name: str, compiled: Callable[[], dict[int, _Field]]) -> None:
        self.name = name
        self.fields: dict[int, _Field] | None = None
        self._compile = compiled

    def read(self, data: bytes, pos: int, end: int, depth: int) -> Object:
        fields = self.fields
        if fields is None:
            fields = self.fields = self._compile()
        if depth >= strictjson.MAX_DEPTH:
            raise Fault("exceeded max depth")
        out: Object = {}
        while pos < end:
            tag = data[pos]
            pos += 1
            if tag > 127:
                tag, pos = _varint(data, pos - 1)
            field = fields.get(tag)
            if field is None:
                pos = self._unknown(data, pos, tag)
                continue
            name, read, convert, put, levels = field
            if read is not None:
                size = data[pos]
                pos += 1
                if size > 127:
                    size, pos = _varint(data, pos - 1)
                start, pos = pos, pos + size
                if pos <= end:
                    put(out, name, read(data, start, pos, depth + levels))
            else:
                value, pos = _number(data, pos, tag & 7)
                put(out, name, convert(value))
        if pos > end:
            raise Fault("unexpected EOF")
        return out

    def _unknown(self, data: bytes, pos: int, tag: int) -> int:
        number, wire = tag >> 3, tag & 7
        if wire == _GROUP_END:
            raise Fault(f"proto: {self.name}: wiretype end group for non-group")
        if not 0 < number < 1 << 28:
            raise Fault(f"proto: {self.name}: illegal tag {_int32(number)} (wire type {tag})")
        for known, field in (self.fields or {}).items():
            if known >> 3 == number:
                name = field.name[:1].upper() + field.name[1:]
                raise Fault(f"proto: wrong wireType = {wire} for field {name}")
        return _skip(data, pos, wire)


_Entry = tuple[int, _Field]  # a row of a message's table


def _of_bytes(number: int, name: str, read: _Read, *, put: _Put = _put, levels: int = 1) -> _Entry:
    return number << 3 | _BYTES, _Field(name, read, int, put, levels)


def _of_number(number: int, name: str, convert: _Convert, wire: int = _VARINT) -> _Entry:
    return number << 3 | wire, _Field(name, None, convert, _put, 1)


def _fixed(name: str, *entries: _Entry) -> _Message:
    """A message that is not among the types."""
    return _Message(name, lambda: dict(entries))


def _made(message: _Message, make: Callable[[Object], Any]) -> _Read:
    """Read a message whose JSON is no object of its fields."""
    return lambda *place: make(message.read(*place))


def _moment(written: Callable[[datetime.datetime], str]) -> _Read:
    def make(found: Object) -> str | None:
        micros = int(found.get("nanos", 0) / 1000)
        try:
            since = datetime.timedelta(seconds=found.get("seconds", 0), microseconds=micros)
            moment = _EPOCH + since
        except OverflowError:
            raise Fault("Time.MarshalJSON: year outside of range [0,9999]") from None
        return written(moment) if found and moment != _NEVER else None

    entries = _of_number(1, "seconds", _int64), _of_number(2, "nanos", _int32)
    return _made(_fixed("Timestamp", *entries), make)


_INT_OR_STRING = _fixed(
    "IntOrString",
    _of_number(1, "type", _int64),
    _of_number(2, "intVal", _int32),
    _of_bytes(3, "strVal", _text),
)
_QUANTITY = _fixed("Quantity", _of_bytes(1, "string", _text))
_EMBEDDED = _fixed("RawExtension", _of_bytes(1, "raw", _bytes))
_TYPE_META = _fixed("TypeMeta", _of_bytes(1, "apiVersion", _text), _of_bytes(2, "kind", _text))
_ENVELOPE = _fixed(
    "Unknown", _of_bytes(1, "typeMeta", _TYPE_META.read), _of_bytes(2, "raw", _bytes)
)


def _embedded(data: bytes, start: int, end: int, depth: int) -> Any:
    raw = _EMBEDDED.read(data, start, end, depth).get("raw")
    return strictjson.decode(raw, strictjson.MAX_DEPTH - depth) if raw else None


_SPECIAL: dict[str, _Read] = {
    _META + "Time": _moment(timestamps.rfc3339),
    _META + "MicroTime": _moment(timestamps.rfc3339_micro),
    _META + "FieldsV1": _embedded,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _made(
        _QUANTITY, lambda found: found.get("string", "0")
    ),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _made(
        _INT_OR_STRING,
        lambda found: found.get("strVal", "") if found.get("type") else found.get("intVal", 0),
    ),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _embedded,
    _EXTENSIONS + "JSON": _embedded,
}


class Decoder:
    """Decodes messages by type name (io.k8s.api.core.v1.Pod); `raw` gives a type's compact node."""

    def __init__(self, raw: Callable[[str], _Node]) -> None:
        self._raw = raw
        self._known = dict(_SPECIAL)

    def decode(self, data: bytes, name: str) -> Object:
        """The object behind a message, without apiVersion and kind. Raises Fault."""
        return _guarded(self._type(name), data, 0)

    def _type(self, name: str) -> _Read:
        found = self._known.get(name)
        if found is None:
            if name.startswith(_OR):
                found = self._schema_or(name.removeprefix(_OR))
            else:
                found = _Message(name.rpartition(".")[2], lambda: self._compile(name)).read
            self._known[name] = found
        return found

    def _compile(self, name: str) -> dict[int, _Field]:
        node = self._raw(name)
        properties = dict(node.get("p", {}))
        if "gvk" in node:  # the envelope has them
            del properties["apiVersion"], properties["kind"]
        table: dict[int, _Field] = {}
        for number, names in node.get("in", ()):
            inner = {key: properties.pop(key) for key in names}
            if name in _INLINED:
                read = self._type(_INLINED[name])
            else:
                read = _Message(name.rpartition(".")[2], partial(self._table, inner)).read
            table |= [_of_bytes(number, "", read, put=_merge, levels=0)]
        return table | self._table(properties)

    def _table(self, properties: dict[str, _Node]) -> dict[int, _Field]:
        return dict(self._entry(name, node) for name, node in properties.items())

    def _entry(self, name: str, node: _Node) -> _Entry:
        number, kind = node["n"], node.get("t")
        if kind == "m":
            return _of_bytes(number, name, self._map_entry(node["v"]), put=_put_entry)
        repeated = kind == "a" and "w" not in node
        read, convert, wire = self._value(node["i"] if repeated else node)
        if repeated:
            return number << 3 | wire, _Field(name, read, convert, _append, 2)
        put = _put_known if kind is None else _put_nonzero if "e" in node else _put
        return number << 3 | wire, _Field(name, read, convert, put, 1)

    def _value(self, node: _Node) -> tuple[_Read | None, _Convert, int]:
        """(how to read it, how to convert it, its wire type)."""
        form = node.get("f")
        if "r" in node:
            return self._type(node["r"]), int, _BYTES
        if node["t"] == "s":
            return _base64 if form == "byte" else _text, int, _BYTES
        if node["t"] == "a":
            return self._wrapped(node["i"]), int, _BYTES
        convert, wire = _SCALARS[node["t"]]
        return None, _int32 if form == "int32" else convert, wire

    def _wrapped(self, items: _Node) -> _Read:
        message = _fixed("Items", self._entry("items", {"t": "a", "i": items, "n": 1}))
        return _made(message, lambda found: found.get("items", []))

    def _map_entry(self, values: _Node) -> _Read:
        value, _, _ = self._value(values)
        assert value is not None, "a map of numbers"
        entry = _fixed("Entry", _of_bytes(1, "key", _text), _of_bytes(2, "value", value))

        def make(found: Object) -> tuple[str, Any]:
            if "value" not in found:
                found["value"] = value(b"", 0, 0, 0)
            return found.get("key", ""), found["value"]

        return _made(entry, make)

    def _schema_or(self, other: str) -> _Read:
        """JSON that is a schema or a boolean, or a schema or a list."""
        schema = self._type(_OR.removesuffix("Or"))
        if other == "Bool":
            entries = _of_number(1, "other", bool), _of_bytes(2, "schema", schema, levels=0)
        else:
            item = _text if other == "StringArray" else schema
            entries = (
                _of_bytes(1, "schema", schema, levels=0),
                _of_bytes(2, "other", item, put=_append),
            )
        message = _fixed(f"JSONSchemaPropsOr{other}", *entries)

        def make(found: Object) -> Any:
            rest = found.get("other", False if other == "Bool" else None)
            return rest if type(rest) is list else found.get("schema", rest)

        return _made(message, make)
