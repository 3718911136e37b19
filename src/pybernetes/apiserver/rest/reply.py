# SPDX-License-Identifier: Apache-2.0
"""Answers (an entry, an object, a Status) in the shape the client asked for: the object itself, its metadata
or a Table row, as JSON or YAML.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

import orjson

from pybernetes.apimachinery.errors import ApiError, bad_request
from pybernetes.apimachinery.table import INCLUDES, partial_metadata, table
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.resources import Serving
from pybernetes.wire.types import Response

_SHAPES = {
    "Table": "table",
    "PartialObjectMetadata": "partial",
    "PartialObjectMetadataList": "partial",
}
_JSON_TYPES = ("application/json", "application/*", "*/*")


@lru_cache(maxsize=1024)
def accepted(header: str) -> str:
    """What an Accept header's first clause that we can serve asks for: json, yaml, table or partial.

    JSON where there is none.
    """
    for clause in header.split(","):
        media, *pairs = (part.strip() for part in clause.split(";"))
        options = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        wanted = options.get("as", "")
        if media in _JSON_TYPES and not wanted:
            return "json"
        if media == "application/yaml" and not wanted:
            return "yaml"
        known = options.get("g") == "meta.k8s.io" and options.get("v") in ("v1", "v1beta1")
        if media in _JSON_TYPES and wanted in _SHAPES and known:
            return _SHAPES[wanted]
    return "json"


def check_plain(header: str) -> None:
    """Raise 406 where the client takes only tables or metadata of what has neither."""
    plain = (part for part in header.split(",") if "as=" not in part)
    if header and not any(part.strip() for part in plain):
        types = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        text = f"only the following media types are accepted: {types}"
        raise ApiError(406, "NotAcceptable", text)


class Plain:
    """The object in one served version. Items of lists have no kind and apiVersion (upstream)."""

    def __init__(self, api_version: str) -> None:
        self.key = api_version

    def one(self, serving: Serving, entry: Entry) -> bytes:
        return serving.head + serving.tail(entry)

    def many(self, serving: Serving, entries: Sequence[Entry], meta: Object) -> bytes:
        tail = serving.tail
        items = b",{".join([tail(entry) for entry in entries])
        return self.joined(serving, items, meta)

    @staticmethod
    def joined(serving: Serving, items: bytes, meta: Object) -> bytes:
        """A list of items joined with ",{", the first without its brace."""
        start = codec.head(serving.api_version, serving.row.kind + "List")
        opened = b"{" if items else b""
        return b'%b"metadata":%b,"items":[%b%b]}\n' % (start, codec.dumps(meta), opened, items)


class Partial:
    """metadata only: PartialObjectMetadata(List)."""

    def __init__(self, api_version: str) -> None:
        self.key = "partial/" + api_version

    def _metadata(self, serving: Serving, entry: Entry) -> Object:
        metadata: Object = codec.decode_tail(serving.tail(entry))["metadata"]
        return metadata

    def one(self, serving: Serving, entry: Entry) -> bytes:
        return codec.dumps(partial_metadata(self._metadata(serving, entry)))

    def many(self, serving: Serving, entries: Sequence[Entry], meta: Object) -> bytes:
        items = [partial_metadata(self._metadata(serving, entry)) for entry in entries]
        return codec.dumps({**partial_metadata(meta, "List"), "items": items})


class TableFormat:
    """Rows are made from the storage version, the objects beside them from the served one."""

    def __init__(self, api_version: str, include: str, now: Callable[[], datetime]) -> None:
        if include not in INCLUDES:
            raise bad_request(f"unrecognized includeObject value: {include}")
        self._include = include
        self._now = now
        self.key = f"table/{self._include}/{api_version}"

    def one(self, serving: Serving, entry: Entry) -> bytes:
        return self.many(serving, [entry], {"resourceVersion": str(entry.revision)})

    def many(self, serving: Serving, entries: Sequence[Entry], meta: Object) -> bytes:
        columns = serving.row.rules.columns or (NAME, AGE)
        now = self._now()
        objects = [serving.decode(entry) for entry in entries]
        made = table(columns, objects, now, include=self._include, metadata=meta)
        if self._include == "Object" and not serving.stored_here:
            for row in made["rows"]:
                row["object"] = serving.serve(row["object"])
        return codec.dumps(made)


Format = Plain | Partial | TableFormat
"""One shape. `key` tells the encodings of an entry apart."""


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
