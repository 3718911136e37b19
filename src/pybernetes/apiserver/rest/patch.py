# SPDX-License-Identifier: Apache-2.0
"""PATCH: JSON patch, merge patch, strategic merge patch, server-side apply."""

from typing import Any

from pybernetes.apimachinery.errors import bad_request, unsupported_media_type
from pybernetes.apimachinery.patch.json_patch import json_patch
from pybernetes.apimachinery.patch.merge_patch import merge_patch
from pybernetes.apimachinery.patch.strategic import strategic_merge_patch
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.body import media_type
from pybernetes.apiserver.rest.managed import record_update
from pybernetes.apiserver.rest.modify import Modification, modify
from pybernetes.apiserver.rest.options import write_options
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.wire.types import Response

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


async def patch(core: Core, ctx: Context) -> Response:
    """PATCH of an object, or of its status."""
    options = write_options(ctx, "PatchOptions")
    media = media_type(ctx)
    if media not in _TYPES:
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(_TYPES)
        )
    try:
        document = codec.loads(ctx.request.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from None

    def change(old: Object) -> Object:
        new = apply_patch(ctx, media, old, document)
        record_update(core, ctx, new, old, options=options)
        return new

    what = Modification(change, options, ctx.info.subresource)
    return entry_reply(ctx, await modify(core, ctx, what))


def apply_patch(ctx: Context, media: str, old: Object, document: Any) -> Object:
    """`old` with a patch document applied."""
    if media == JSON_PATCH:
        return json_patch(old, document)
    if media == MERGE_PATCH:
        return merge_patch(old, document)
    return strategic_merge_patch(old, document, ctx.serving.row.schema)
