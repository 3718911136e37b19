# SPDX-License-Identifier: Apache-2.0
"""PATCH: JSON patch, merge patch, strategic merge patch, server-side apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import (
    bad_request,
    forgiving,
    invalid,
    not_found,
    unsupported_media_type,
)
from pybernetes.apimachinery.patch import managedfields
from pybernetes.apimachinery.patch.json_patch import json_patch, merge_patch
from pybernetes.apimachinery.patch.strategic import strategic_merge_patch
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import metadata
from pybernetes.apiserver.rest.body import check_schema, check_type, media_type, parse
from pybernetes.apiserver.rest.create import create_object
from pybernetes.apiserver.rest.modify import Modification, Part, modify
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.apiserver.rest.update import check_name
from pybernetes.wire.types import Response

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch document and its media type. `repeated`: what YAML's parser says of keys set twice."""

    media: str
    document: Any
    repeated: Sequence[str] = ()


async def patch(ctx: Context, rules: Part | None = None) -> Response:
    """PATCH of an object, of its status, or of the part that `rules` are about."""
    set_options(ctx, "PatchOptions")
    document = read_patch(ctx)

    def change(old: Object) -> Object:
        return patched(ctx, old, document)

    await ctx.core.feed.wait_fresh()
    if document.media == APPLY:
        entry = await _create_applied(ctx, document)
        if entry is not None:
            return entry_reply(ctx, entry, 201)
    what = Modification(change, ctx.info.subresource, rules=rules)
    return entry_reply(ctx, await modify(ctx, what))


def _check_apply(ctx: Context, document: Patch) -> None:
    if not ctx.param("fieldManager"):
        path = "fieldManager"
        finding = field.required(path, "is required for apply patch")
        raise invalid("PatchOptions", "meta.k8s.io", "", [finding])
    if document.repeated and ctx.validation == "Strict":
        raise bad_request(f"error strict decoding patch: {document.repeated[0]}")
    if ctx.validation == "Warn":
        ctx.warnings += document.repeated
    applied = check_type(document.document, ctx.serving.row.gvk)
    metadata.match_namespace(
        applied["metadata"], ctx.namespace, namespaced=ctx.serving.row.namespaced
    )
    check_name(applied["metadata"], ctx.info.name)
    applied["metadata"]["name"] = ctx.info.name
    unchecked = codec.loads(codec.dumps(applied))
    check_schema(ctx, unchecked, ctx.serving.row.schema)


async def _create_applied(ctx: Context, document: Patch) -> Entry | None:
    """Apply creates what is missing, but for subresources. None: it is there."""
    _check_apply(ctx, document)
    if ctx.info.subresource or ctx.serving.entry(ctx.info.namespace, ctx.info.name):
        return None
    if document.document["metadata"].get("uid"):
        raise not_found(ctx.info.resource, ctx.info.group, ctx.info.name)
    author = metadata.writer(ctx)
    new = managedfields.apply(None, document.document, author, force=ctx.force)
    check_schema(ctx, new, ctx.serving.row.schema, "Ignore")
    with forgiving("AlreadyExists"):
        return await create_object(ctx, new, recorded=True)
    return None


def read_patch(ctx: Context) -> Patch:
    """The request's patch. Raises 400, 415."""
    media = media_type(ctx)
    if media not in _TYPES:
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(_TYPES)
        )
    return Patch(media, *parse(ctx.request.body, yaml=media == APPLY))


def patched(ctx: Context, old: Object, document: Patch) -> Object:
    """`old` (served version) as the patch wants it, with its managers."""
    row = ctx.serving.row
    if document.media == APPLY:
        author = metadata.writer(ctx)
        new = managedfields.apply(old, document.document, author, force=ctx.force)
        check_schema(ctx, new, row.schema, "Ignore")
        return new
    new = check_type(apply_patch(document, old, row.schema), row.gvk)
    check_schema(ctx, new, row.schema)
    return metadata.record_update(ctx, new, old)


def apply_patch(patch: Patch, old: Object, schema: Schema) -> Object:
    """`old` with a patch document applied."""
    if patch.media == JSON_PATCH:
        return json_patch(old, patch.document)
    if patch.media == MERGE_PATCH:
        return merge_patch(old, patch.document)
    return strategic_merge_patch(old, patch.document, schema)
