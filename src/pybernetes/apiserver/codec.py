# SPDX-License-Identifier: Apache-2.0
"""The stored form of an object, and how it is dressed for the wire without being decoded.

A stored value is JSON in the storage version that begins with kind, apiVersion and metadata, in
this order, and has no resourceVersion: `{"kind":"Pod","apiVersion":"v1","metadata":{...`. What
stands behind `{"kind":...,"apiVersion":...,` is the *tail*; a tail with resourceVersion spliced
in serves every version that differs only in its name. A value that begins with anything but "{"
was written by a transformer (encryption at rest), which is not supported.
"""

from functools import lru_cache

import orjson

from pybernetes.apimachinery.types import Object

dumps, loads = orjson.dumps, orjson.loads
_METADATA = b'"metadata":{'


@lru_cache(maxsize=4096)
def head(api_version: str, kind: str) -> bytes:
    """`{"kind":"Pod","apiVersion":"v1",`: what stands before the tail."""
    return orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b","


def stored(obj: Object) -> bytes:
    """The value to store for `obj` (in its storage version). `obj` is not changed."""
    metadata = obj["metadata"]
    if "resourceVersion" in metadata:
        metadata = {k: v for k, v in metadata.items() if k != "resourceVersion"}
    ordered = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    for key, value in obj.items():
        if key not in ordered:
            ordered[key] = value
    return b"%b" % orjson.dumps(ordered)  # a copy: orjson's own has room for kilobytes more


def tail_of(value: bytes, revision: int) -> bytes:
    """The tail of a stored value, with resourceVersion."""
    if value[:1] != b"{":
        raise ValueError("stored value was written by a transformer: not supported")
    at = value.find(_METADATA)
    if at < 0 or value[:8] != b'{"kind":':
        value = stored(orjson.loads(value))
        at = value.find(_METADATA)
    return b'"metadata":{"resourceVersion":"%d",%b' % (revision, value[at + len(_METADATA) :])


def tail_at(tail: bytes, revision: int) -> bytes:
    """`tail` with another resourceVersion."""
    end = tail.index(b",", len(_METADATA))
    return b'"metadata":{"resourceVersion":"%d"%b' % (revision, tail[end:])


def tail_of_object(obj: Object) -> bytes:
    """The tail of a decoded object that carries its resourceVersion."""
    revision = int(obj["metadata"]["resourceVersion"])
    return tail_of(stored(obj), revision)


def decode_tail(tail: bytes) -> Object:
    """The object behind a tail, without kind and apiVersion."""
    result: Object = orjson.loads(b"{" + tail)
    return result
