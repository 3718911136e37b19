# SPDX-License-Identifier: Apache-2.0
"""LIST: joined from the cached bytes of its items; pages and old revisions included.

A first page is served from the cache. A continued page is served from the cache while nothing
of the resource changed since its first page, else from the store's history.
"""

import gzip
from bisect import bisect_left
from collections.abc import Awaitable, Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry, Selection
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import versions
from pybernetes.apiserver.rest.reply import Format, Plain, encoded, format_of
from pybernetes.apiserver.rest.selecting import selection_of
from pybernetes.apiserver.rest.versions import ListOptions
from pybernetes.storage.types import Compacted, FutureRevision
from pybernetes.wire.types import Response

_LEAST = 128 * 1024  # bytes of a body that is compressed: upstream's threshold
_INLINE = 512 * 1024
_JOIN_LIMIT = 8 * 1024 * 1024  # joined items of this size at most are kept


def list_(ctx: Context) -> Response | Awaitable[Response]:
    """The collection that the request names."""
    options = versions.list_options(ctx)
    selection = selection_of(ctx)
    wanted = ctx.core.newest if options.revision < 0 else options.revision
    if options.continued > 0 or options.match == versions.EXACT:
        return _exact(ctx, options, selection)

    def answer(ctx: Context) -> Response | Awaitable[Response]:
        return compressed(ctx, _from_cache(ctx, options, selection))

    return versions.when(ctx, wanted, answer)


def _from_cache(ctx: Context, options: ListOptions, selection: Selection) -> Response:
    revision = ctx.core.feed.revision
    shape = format_of(ctx)
    if selection.everything and options.limit:
        page = ctx.serving.cache.page(ctx.namespace, options.start, options.limit)
        return _reply(ctx, shape, page, revision)
    if selection.everything and not options.start and type(shape) is Plain:
        return encoded(ctx, _joined(ctx, shape))
    entries = select(ctx, selection, options.start)
    return _reply(ctx, shape, _page(entries, options), revision)


def select(ctx: Context, selection: Selection, start: str = "") -> list[Entry]:
    """The matching entries of the request's namespace, in key order, from key `start` on."""
    cache = ctx.serving.cache
    entries = cache.select(ctx.namespace, selection)
    if start:
        entries = entries[bisect_left(entries, start, key=lambda entry: entry.key) :]
    return entries


def _joined(ctx: Context, shape: Plain) -> bytes:
    """The whole collection of a namespace; its joined items are kept until something changes."""
    serving, cache = ctx.serving, ctx.serving.cache
    where = (ctx.namespace, shape.key)
    kept = cache.joins.get(where)
    if kept is None or kept[0] != cache.changed:
        entries, tail = cache.entries, serving.tail
        items = b",{".join([tail(entries[key]) for key in cache.range(ctx.namespace)])
        if any(changed != cache.changed for changed, _ in [*cache.joins.values()]):  # forks may add
            cache.joins.clear()
        kept = cache.changed, items
        if len(items) < _JOIN_LIMIT and len(cache.joins) < 64:
            cache.joins[where] = kept
    return shape.joined(serving, kept[1], {"resourceVersion": str(ctx.core.feed.revision)})


def _page(entries: list[Entry], options: ListOptions) -> tuple[list[Entry], int]:
    limit = options.limit or len(entries)
    return entries[:limit], len(entries) - limit


def _reply(
    ctx: Context, shape: Format, page: tuple[Sequence[Entry], int], revision: int
) -> Response:
    """A page and the number of entries behind it (not told where selectors filter: upstream)."""
    entries, rest = page
    meta: Object = {"resourceVersion": str(revision)}
    if rest > 0:
        meta["continue"] = versions.encode_token(revision, entries[-1].key + "\0")
        if "labelSelector" not in ctx.params and "fieldSelector" not in ctx.params:
            meta["remainingItemCount"] = rest
    return encoded(ctx, shape.many(ctx.serving, entries, meta))


async def _exact(ctx: Context, options: ListOptions, selection: Selection) -> Response:
    """The collection as it was at a revision."""
    revision = options.continued or options.revision
    cache = ctx.serving.cache
    if max(cache.changed, ctx.core.store.floor) <= revision <= ctx.core.feed.revision:
        entries = select(ctx, selection, options.start)
    else:
        entries = await _history(ctx, revision, options)
        fields = cache.fields
        entries = [entry for entry in entries if selection.matches(entry, fields)]
    return _reply(ctx, format_of(ctx), _page(entries, options), revision)


async def _history(ctx: Context, revision: int, options: ListOptions) -> list[Entry]:
    cache = ctx.serving.cache
    prefix = cache.prefix + (f"{ctx.namespace}/" if ctx.namespace else "")
    start = cache.prefix + options.start if options.start else ""
    try:
        page = await ctx.core.store.list(prefix, start=start, revision=revision)
    except Compacted as error:
        if options.start:
            raise versions.token_expired(options.start) from None
        raise versions.too_old(revision, error.floor) from None
    except FutureRevision:
        await versions.wait_for(ctx.core, revision)
        raise
    size = len(cache.prefix)
    return [
        Entry(record.key[size:], codec.tail_of(record.value, record.revision), record.revision)
        for record in page.records
    ]


def compressed(ctx: Context, reply: Response) -> Response | Awaitable[Response]:
    """`reply`, its body as gzip if that pays; the biggest are packed in a thread."""
    size = len(reply.body)
    if size < _LEAST or "gzip" not in ctx.request.headers.get("accept-encoding", ""):
        return reply
    return ctx.core.env.offload.run(_packed, reply) if size > _INLINE else _packed(reply)


def _packed(reply: Response) -> Response:
    body = gzip.compress(reply.body, 1, mtime=0)
    headers = (*reply.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return Response(reply.status, body, reply.content_type, headers)
