# SPDX-License-Identifier: Apache-2.0
"""Writes to the store: one transaction, answered once the local cache has applied it."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pybernetes.apimachinery.errors import ApiError, conflict, not_found, service_unavailable
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.resources import Serving
from pybernetes.apiserver.rest.reply import transient
from pybernetes.base import logs, metrics
from pybernetes.storage.types import Conflict, NoSpace, Op, Store, StoreError, Unavailable

PROBE = "/registry/health"
SIZED = 30  # seconds between measurements of the store's size
log = logs.get("apiserver.store")


async def commit(core: Core, ops: Sequence[Op]) -> int:
    """Write `ops`; the revision. Raises Conflict; other store errors become answers (and /readyz's)."""
    try:
        revision = await core.store.write(ops)
    except Conflict as conflict:
        if conflict.current is not None:  # the cache must know what we collided with
            await core.feed.wait(conflict.current.revision)
        else:
            await core.feed.wait_fresh()
        raise
    except NoSpace as error:
        core.feed.refused = str(error)
        raise ApiError(
            500, "InternalError", f"etcdserver: mvcc: database space exceeded: {error}"
        ) from error
    except Unavailable as error:
        core.feed.refused = str(error)
        raise service_unavailable(f"the store is unavailable: {error}") from error
    except StoreError as error:  # it takes no such write: too large, not allowed
        raise ApiError(500, "InternalError", str(error)) from error
    if core.feed.refused and any(op.value is not None for op in ops):  # a full store still deletes
        core.feed.refused = ""
    await core.feed.wait(revision)
    return revision


async def probe_forever(core: Core) -> None:
    """While the store refuses writes, try one every second, so that /readyz knows when it is well again.

    The log and the metrics tell of it, too; `apiserver_storage_size_bytes` is upstream's.
    """
    words = "Size of the storage database in use, in bytes."
    size = metrics.gauge(core.env, "apiserver_storage_size_bytes", words, ["storage_cluster_id"])
    words = "1 while the store refuses writes: no space, or an I/O error."
    alarm = metrics.gauge(core.env, "pybernetes_store_refuses_writes", words)
    refused = ""
    for second in itertools.count():
        if core.feed.refused and not refused:
            log.error("The store refuses writes", error=core.feed.refused)
        elif refused and not core.feed.refused:
            log.info("The store takes writes again")
        refused = core.feed.refused
        alarm.set(bool(refused))
        if second % SIZED == 0:
            with contextlib.suppress(StoreError):
                size.labels("etcd-0").set(await core.store.size())
        await asyncio.sleep(1.0)
        if core.feed.refused:
            with contextlib.suppress(ApiError):
                await commit(core, [Op(PROBE, b"")])


async def compact_forever(store: Store, interval: float) -> None:
    """Every `interval` seconds, forget what was history at the time before. 0: never.

    So history older than one to two intervals is forgotten (upstream: five minutes).
    """
    if interval <= 0:
        return
    before = store.revision
    while True:
        await asyncio.sleep(interval)
        now = store.revision
        try:
            if before > store.floor:
                await store.compact(before)
        except StoreError as error:
            log.warning("The store could not be compacted", error=str(error))
        before = now


_HOOK_TRIES = 16
T = TypeVar("T")


async def write(
    ctx: Context,
    obj: Object,
    present: tuple[Entry, Object] | None = None,
    *,
    gone: bool = False,
    hooked: bool = True,
) -> Entry:
    """Store `obj` over `present` (its entry and what it holds), or as a new one; `gone`: delete it.

    `hooked`: the resource's hook is asked what it adds to the write, and again where only that
    collided. Raises Conflict about the object itself.
    """
    serving = ctx.serving
    meta, row = obj["metadata"], serving.row
    key = serving.key(meta.get("namespace", ""), meta["name"])
    hook = ctx.core.hooks.get((row.gvr.group, row.gvr.resource)) if hooked else None
    pristine = codec.dumps(obj) if hook else b""
    for attempt in range(_HOOK_TRIES):
        if attempt:
            obj = codec.loads(pristine)
        added = hook(None if gone else obj, present[1] if present else None) if hook else ()
        if ctx.dry_run:
            return transient(serving, obj)
        if present is not None and obj == present[1] and not added and not gone:
            return present[0]
        value = None if gone else codec.stored(obj)
        expected = present[0].revision if present else 0
        try:
            revision = await commit(ctx.core, [Op(key, value, expected, row.ttl), *added])
        except Conflict as failed:
            if failed.index == 0:
                raise
            continue
        return _written(ctx, obj, key, revision)
    raise ApiError(500, "InternalError", "could not allocate: too many conflicts")


def _written(ctx: Context, obj: Object, key: str, revision: int) -> Entry:
    """The entry of what was just written: the cache's own while it is still the newest."""
    cache = ctx.serving.cache
    entry = cache.entries.get(key[len(cache.prefix) :])
    if entry is not None and entry.revision == revision:
        return entry
    return Entry(key[len(cache.prefix) :], codec.tail_of(codec.stored(obj), revision), revision)


async def change(
    core: Core, serving: Serving, where: tuple[str, str], apply: Callable[[Object], bool]
) -> None:
    """Change the object at `where` (namespace, name) by `apply`, in place, without the kind's rules.

    False from `apply`: nothing is stored. Raises 404, and 409 where others are always faster.
    """
    gvr = serving.row.gvr

    async def attempt() -> None:
        entry = serving.entry(*where)
        if entry is None:
            raise not_found(gvr.resource, gvr.group, where[1])
        obj = serving.decode(entry)
        if apply(obj):
            key = serving.row.storage_prefix + entry.key
            await commit(core, [Op(key, codec.stored(obj), entry.revision)])

    await retried(gvr, where[1], attempt)


async def retried(gvr: GVR, name: str, attempt: Callable[[], Awaitable[T]], tries: int = 64) -> T:
    """`attempt` until it collides with nobody. Raises 409 where others are always faster."""
    for _ in range(tries):
        with contextlib.suppress(Conflict):
            return await attempt()
    raise conflict(gvr.resource, gvr.group, name)
