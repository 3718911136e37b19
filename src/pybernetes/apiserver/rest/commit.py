# SPDX-License-Identifier: Apache-2.0
"""Writes to the store: one transaction, answered once the local cache has applied it."""

from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError, service_unavailable
from pybernetes.apiserver.context import Core
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
