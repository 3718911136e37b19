# SPDX-License-Identifier: Apache-2.0
"""OpenApi: every published document, built when first asked for, and kept while unchanged.

Built-in parts never change; custom resources are added, replaced and removed by group version.
Encoded documents are large, so only the few last asked for are kept.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis import catalog
from pybernetes.apis.data import descriptions, types
from pybernetes.apis.openapi import custom, gnostic, operations, schemas, v2, v3
from pybernetes.apis.openapi.operations import PathItem
from pybernetes.apis.resource import Resource

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what clients ask for
# What is answered to that, and may be asked for as well: "@" is not allowed in a media type.
PROTOBUF_V2_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
GroupVersion = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """One served version of a custom resource. `schema` is its openAPIV3Schema, None without."""

    row: Resource
    schema: Object | None
    list_kind: str


class Document(NamedTuple):
    """A document's bytes and its ETag (in quotes)."""

    body: bytes
    etag: str


class OpenApi:
    """`set_custom` whenever the served custom resources of a group version change."""

    def __init__(self) -> None:
        self._custom: dict[GroupVersion, tuple[CustomSchema, ...]] = {}
        self._v3 = lru_cache(maxsize=3)(self._build_v3)
        self._v2 = lru_cache(maxsize=2)(self._build_v2)
        self._hashes: dict[GroupVersion, str] | None = None

    def set_custom(self, group: str, version: str, resources: Sequence[CustomSchema]) -> None:
        """What a group version serves beyond the built-in resources; none removes it."""
        if resources:
            self._custom[group, version] = tuple(resources)
        else:
            self._custom.pop((group, version), None)
        self._hashes = None
        self._v2.cache_clear()

    def hashes(self) -> Mapping[GroupVersion, str]:
        """Group version -> the hash of its v3 document, without building it."""
        if self._hashes is None:
            served = sorted({*_builtin_rows(), *self._custom})
            self._hashes = {at: _digest(at, self._custom.get(at, ())) for at in served}
        return self._hashes

    def v3_index(self) -> Document:
        """/openapi/v3."""
        body = orjson.dumps(v3.index(self.hashes()))
        return Document(body, _etag(body))

    def v3(self, group: str, version: str) -> Document | None:
        """/openapi/v3/apis/GROUP/VERSION; None where nothing is served."""
        digest = self.hashes().get((group, version))
        if digest is None:
            return None
        return Document(self._v3((group, version), digest), f'"{digest}"')

    def v2_json(self) -> Document:
        return self._v2("json")

    def v2_protobuf(self) -> Document:
        """The answer to PROTOBUF_V2, of the media type PROTOBUF_V2_ANSWER."""
        return self._v2("protobuf")

    def _build_v3(self, at: GroupVersion, _digest: str) -> bytes:
        extra = self._custom.get(at, ())
        items = [operations.group_item(*at), *_builtin_items(at), *_custom_items(extra)]
        return v3.document(at, items, _definitions(extra, "v3"))

    def _build_v2(self, form: str) -> Document:
        extra = [one for at in sorted(self._custom) for one in self._custom[at]]
        items = [operations.group_item(*at) for at in sorted(self._custom)]
        paths = v2.paths([*items, *_custom_items(extra)])
        found = _definitions(extra, "v2")
        if form == "json":
            body = _joined_json(paths, found)
        else:
            encoded = gnostic.paths(paths), gnostic.definitions(found)
            known = _builtin_protobuf()
            body = gnostic.document(v2.HEAD, known[0] + encoded[0], known[1] + encoded[1])
        return Document(body, _etag(body))


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha512(body).hexdigest().upper()}"'


def _digest(at: GroupVersion, extra: Sequence[CustomSchema]) -> str:
    known = [types.header()["version"], descriptions.available(), at]
    more = [
        [*one.row.gvr, one.row.kind, one.row.namespaced, sorted(one.row.subresources), one.schema]
        for one in extra
    ]
    text = orjson.dumps([known, more], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha512(text).hexdigest().upper()


@cache
def _builtin_rows() -> Mapping[GroupVersion, list[Resource]]:
    found: dict[GroupVersion, list[Resource]] = {}
    for row in catalog.builtin().values():
        found.setdefault((row.gvr.group, row.gvr.version), []).append(row)
    return found


def _builtin_items(at: GroupVersion) -> Iterable[PathItem]:
    for row in _builtin_rows().get(at, ()):
        yield from operations.Paths(row, operations.builtin_names(row)).items()


def _custom_items(extra: Iterable[CustomSchema]) -> Iterable[PathItem]:
    for one in extra:
        yield from operations.Paths(one.row, custom.names(one.row)).items()


def _definitions(extra: Iterable[CustomSchema], version: schemas.Version) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for one in extra:
        found |= custom.definitions(one.row, one.schema, one.list_kind, version)
    return found


def _builtin_v2() -> tuple[dict[str, Object], dict[str, Object]]:
    """Paths and definitions of everything built in; large, so not kept."""
    served = sorted(_builtin_rows())
    items = [item for at in served for item in (operations.group_item(*at), *_builtin_items(at))]
    found = {name: schemas.schema(name, "v2") for name in types.names()}
    for name in v3.SHARED:
        found[name]["x-kubernetes-group-version-kind"] = v3.shared_kinds(name, served)
    return v2.paths(items), found


@cache
def _builtin_json() -> tuple[bytes, bytes]:
    """The built-in paths and definitions as the inside of JSON objects."""
    paths, found = _builtin_v2()
    return orjson.dumps(paths)[1:-1], orjson.dumps(found)[1:-1]


@cache
def _builtin_protobuf() -> tuple[bytes, bytes]:
    paths, found = _builtin_v2()
    return gnostic.paths(paths), gnostic.definitions(found)


def _joined_json(paths: Object, found: Object) -> bytes:
    known = _builtin_json()
    parts = [orjson.dumps(v2.HEAD)[:-1]]
    for name, inside, more in ((b"paths", known[0], paths), (b"definitions", known[1], found)):
        extra = b"," + orjson.dumps(more)[1:-1] if more else b""
        parts.append(b',"%b":{%b%b}' % (name, inside, extra))
    return b"".join(parts) + b"}"
