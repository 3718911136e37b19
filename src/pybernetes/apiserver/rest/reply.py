# SPDX-License-Identifier: Apache-2.0
"""Answers: an entry, an object, a Status, in the shape the client asked for."""

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.resources import Serving
from pybernetes.apiserver.rest.formats import (
    Format,
    Partial,
    Plain,
    TableFormat,
    accepted,
)
from pybernetes.wire.types import Response


def wanted(ctx: Context) -> str:
    return accepted(ctx.request.headers.get("accept", ""))


def format_of(ctx: Context) -> Format:
    """The shape in which this request's objects go out."""
    shape = wanted(ctx)
    if shape == "table":
        include = ctx.param("includeObject") or "Metadata"
        return TableFormat(ctx.serving.api_version, include, ctx.core.env.clock.now)
    return (
        Partial(ctx.serving.api_version) if shape == "partial" else Plain(ctx.serving.api_version)
    )


def entry_reply(ctx: Context, entry: Entry, status: int = 200) -> Response:
    """A stored object."""
    serving = ctx.serving
    if not ctx.params and wanted(ctx) == "json":
        return Response(status, serving.head + serving.tail(entry))
    return encoded(ctx, format_of(ctx).one(serving, entry), status)


def encoded(ctx: Context, body: bytes, status: int = 200) -> Response:
    """JSON bytes, indented or as YAML if the client wants that."""
    if wanted(ctx) == "yaml":
        from yaml import CSafeDumper, dump

        text = dump(codec.loads(body), Dumper=CSafeDumper, sort_keys=True)
        return Response(status, text.encode(), "application/yaml")
    if ctx.flag("pretty"):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    return Response(status, body)


def tagged(ctx: Context, body: bytes, etag: str, content: str, *, vary: str) -> Response:
    """A document with an ETag (in quotes); 304 where the client has it."""
    headers = (("ETag", etag), ("Vary", vary))
    if ctx.request.headers.get("if-none-match") == etag:
        return Response(304, b"", content, headers)
    return Response(200, body, content, headers)


def transient(serving: Serving, obj: Object) -> Entry:
    """An entry for an object (storage version) that is not in the cache (dry run)."""
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    key = f"{metadata.get('namespace', '')}/{name}" if serving.row.namespaced else name
    revision = metadata.get("resourceVersion")
    if revision:
        return Entry(key, codec.tail_of_object(obj), int(revision))
    return Entry(key, codec.stored(obj)[len(codec.head(obj["apiVersion"], obj["kind"])) :], 0)


def object_reply(ctx: Context, obj: Object, status: int = 200) -> Response:
    """Any other object, in the version in which it is to be shown."""
    return encoded(ctx, codec.dumps(obj), status)


def success(details: Object) -> Object:
    """The Status of a success."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    return status
