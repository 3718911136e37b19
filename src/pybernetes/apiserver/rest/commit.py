# SPDX-License-Identifier: Apache-2.0
"""Writes to the store: one transaction, answered once the local cache has applied it."""

from collections.abc import Callable, Sequence

from pybernetes.apimachinery.errors import ApiError, conflict, not_found, service_unavailable
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.serving import Serving
from pybernetes.storage.types import Conflict, NoSpace, Op, Unavailable


async def commit(core: Core, ops: Sequence[Op]) -> int:
    """Write `ops`; the revision. Raises Conflict; other store errors become answers."""
    try:
        revision = await core.store.write(ops)
    except Conflict as conflict:
        if conflict.current is not None:  # the cache must know what we collided with
            await core.feed.wait(conflict.current.revision)
        else:
            await core.feed.wait_fresh()
        raise
    except NoSpace as error:
        raise ApiError(
            500, "InternalError", f"etcdserver: mvcc: database space exceeded: {error}"
        ) from error
    except Unavailable as error:
        raise service_unavailable(f"the store is unavailable: {error}") from error
    await core.feed.wait(revision)
    return revision


_TRIES = 64


async def change(
    core: Core, serving: Serving, where: tuple[str, str], apply: Callable[[Object], bool]
) -> None:
    """Change the object at `where` (namespace, name) by `apply`, in place, without the kind's rules.

    False from `apply`: nothing is stored. Raises 404, and 409 where others are always faster.
    """
    gvr = serving.row.gvr
    for _ in range(_TRIES):
        entry = serving.entry(*where)
        if entry is None:
            raise not_found(gvr.resource, gvr.group, where[1])
        obj = serving.decode(entry)
        if not apply(obj):
            return
        try:
            key = serving.row.storage_prefix + entry.key
            await commit(core, [Op(key, codec.stored(obj), entry.revision)])
        except Conflict:
            continue
        return
    raise conflict(gvr.resource, gvr.group, where[1])
