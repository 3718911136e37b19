# SPDX-License-Identifier: Apache-2.0
"""What a watch missed before it was made: collected by a watch of etcd of its own."""

import asyncio
from collections import deque
from collections.abc import Sequence

from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.etcd.client import Client
from pybernetes.storage.etcd.names import Names
from pybernetes.storage.etcd.stream import NUDGE, Batch, Stream
from pybernetes.storage.types import Change, StoreError


async def missed(
    client: Client, names: Names, prefix: str, *, first: int, last: int
) -> Sequence[Batch]:
    """Changes of `prefix` after `first` up to `last`. Raises StoreError."""
    stream = Stream(client, names, prefix, first)
    found: list[Batch] = []

    async def nudge() -> None:
        while True:
            await asyncio.sleep(NUDGE)
            await stream.nudge()

    async with TaskGroup("past") as group:
        group.start(nudge(), "nudge")
        batches = stream.batches()
        async for changes, revision in batches:
            kept = [c for c in changes if c.revision <= last and c.key.startswith(prefix)]
            if kept:
                found.append((kept, revision))
            if revision >= last:
                break
        await batches.aclose()
        group.cancel()
    return found


class Past:
    """A `hub.History` whose batches a task collects."""

    def __init__(self, task: "asyncio.Task[Sequence[Batch] | StoreError]") -> None:
        self._task = task
        self._batches: deque[Batch] | None = None

    async def next(self) -> Sequence[Change]:
        if self._batches is None:
            found = await asyncio.shield(self._task)
            if isinstance(found, StoreError):
                raise found
            self._batches = deque(found)
        return self._batches.popleft()[0] if self._batches else ()
