# SPDX-License-Identifier: Apache-2.0
"""Every published document of the built-in resources, built when first asked for.

Encoded documents are large, so only the few last asked for are kept. Custom resources are not in
them.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis import catalog
from pybernetes.apis.data import descriptions, types
from pybernetes.apis.openapi import gnostic, operations, schemas, v2, v3
from pybernetes.apis.openapi.operations import PathItem
from pybernetes.apis.resource import Resource

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what clients ask for
# What is answered to that, and may be asked for as well: "@" is not allowed in a media type.
PROTOBUF_V2_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
GroupVersion = tuple[str, str]


class Document(NamedTuple):
    """A document's bytes and its ETag (in quotes)."""

    body: bytes
    etag: str


def v3_index() -> Document:
    """/openapi/v3."""
    return _document(orjson.dumps(v3.index(_hashes())))


def v3_document(group: str, version: str) -> Document | None:
    """/openapi/v3/apis/GROUP/VERSION; None where nothing is served."""
    digest = _hashes().get((group, version))
    return Document(_v3((group, version)), f'"{digest}"') if digest else None


def _document(body: bytes) -> Document:
    return Document(body, f'"{_digest(body)}"')


def _digest(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest().upper()


@cache
def _hashes() -> Mapping[GroupVersion, str]:
    """Group version -> the hash of its v3 document, without building it."""
    known = [types.header()["version"], descriptions.available()]
    return {at: _digest(orjson.dumps([known, at])) for at in sorted(_rows())}


@cache
def _rows() -> Mapping[GroupVersion, list[Resource]]:
    found: dict[GroupVersion, list[Resource]] = {}
    for row in catalog.builtin().values():
        found.setdefault((row.gvr.group, row.gvr.version), []).append(row)
    return found


def _items(at: GroupVersion) -> Iterable[PathItem]:
    yield operations.group_item(*at)
    for row in _rows()[at]:
        yield from operations.Paths(row).items()


@lru_cache(maxsize=3)
def _v3(at: GroupVersion) -> bytes:
    return v3.document(at, _items(at))


def _v2() -> tuple[dict[str, Object], dict[str, Object]]:
    """Paths and definitions of everything; large, so not kept."""
    served = sorted(_rows())
    found = {name: schemas.schema(name, "v2") for name in types.names()}
    for name in v3.SHARED:
        found[name]["x-kubernetes-group-version-kind"] = v3.shared_kinds(name, served)
    return v2.paths(item for at in served for item in _items(at)), found


@cache
def v2_json() -> Document:
    """/openapi/v2."""
    paths, found = _v2()
    return _document(orjson.dumps({**operations.head(), "paths": paths, "definitions": found}))


@cache
def v2_protobuf() -> Document:
    """The answer to PROTOBUF_V2, of the media type PROTOBUF_V2_ANSWER."""
    paths, found = _v2()
    return _document(gnostic.encoded(operations.head(), paths, found))
