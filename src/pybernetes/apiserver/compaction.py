# SPDX-License-Identifier: Apache-2.0
"""Compaction: history older than one to two intervals is forgotten (upstream: five minutes)."""

import asyncio

from pybernetes.base import logs
from pybernetes.storage.types import Store, StoreError

log = logs.get("apiserver.compaction")


async def compact_forever(store: Store, interval: float) -> None:
    """Every `interval` seconds, forget what was history at the time before. 0: never."""
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
