# SPDX-License-Identifier: Apache-2.0
"""DELETECOLLECTION: deletes what a list would show, one object after the other."""

from dataclasses import replace

from pybernetes.apimachinery.errors import forgiving
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import versions
from pybernetes.apiserver.rest.delete import delete_named, delete_options
from pybernetes.apiserver.rest.list import select
from pybernetes.apiserver.rest.reply import encoded, format_of
from pybernetes.apiserver.rest.selecting import selection_of
from pybernetes.wire.types import Response


async def delete_collection(ctx: Context) -> Response:
    """DELETE of a collection; the answer lists what was deleted, as it was."""
    options = delete_options(ctx)
    listing = versions.list_options(ctx)
    await ctx.core.feed.wait_fresh()
    entries = select(ctx, selection_of(ctx), listing.start)
    if listing.limit:
        entries = entries[: listing.limit]
    for entry in entries:
        with forgiving(404):
            await delete_named(ctx, replace(options, uid="", version=""), entry)
    meta = {"resourceVersion": str(ctx.core.feed.revision)}
    return encoded(ctx, format_of(ctx).many(ctx.serving, entries, meta))
