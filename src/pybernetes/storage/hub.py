# SPDX-License-Identifier: Apache-2.0
"""Hands committed changes to the watches of this process.

- `publish` is called on the loop, once per commit, in revision order, before the writers learn of
  their success: a watch that is waiting runs before the writer it waits for.
- A watch first drains its history, then what was published since it was made: no gap, no repeat.
- A change costs one look-up per prefix length in use, however many watches there are.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from pybernetes.storage.types import Change, StoreError, Unavailable

MAX_PENDING = 1_000_000  # changes a watch may leave unread before it is ended


class History(Protocol):
    """What a watch has to deliver before what is published."""

    async def next(self) -> Sequence[Change]:
        """The next batch; empty at the end. A cancelled call has moved nothing."""


class Known:
    """A history that is in memory already."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    async def next(self) -> Sequence[Change]:
        changes, self._changes = self._changes, ()
        return changes


class Watcher:
    """A `Watch`. `revision` moves on with the store as long as nothing is left unread."""

    def __init__(self, hub: "Hub", prefix: str, revision: int, history: History | None) -> None:
        self._hub = hub
        self.prefix = prefix
        self._history = history
        self._queue: deque[Sequence[Change]] = deque()
        self._pending = 0
        self._delivered = revision
        self._wake: asyncio.Future[None] | None = None
        self._failure: StoreError | None = None
        self._closed = False

    @property
    def revision(self) -> int:
        if self._history is not None or self._queue or self._failure is not None:
            return self._delivered
        return self._hub.revision

    def __aiter__(self) -> AsyncIterator[Sequence[Change]]:
        return self

    async def __anext__(self) -> Sequence[Change]:
        if self._history is not None and not self._closed:
            batch = await self._history.next()
            if batch and not self._closed:
                self._delivered = batch[-1].revision
                return batch
            self._history = None
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        batch = self._queue.popleft()
        self._pending -= len(batch)
        if batch:
            self._delivered = batch[-1].revision
        return batch

    def close(self) -> None:
        self._closed = True
        self._queue.clear()
        self._hub.forget(self)
        self._rouse()

    def fail(self, error: StoreError) -> None:
        """Iterating raises `error` once what was delivered before is read."""
        self._failure = error
        self._rouse()

    def push(self, batch: Sequence[Change]) -> None:
        """An empty batch is progress, of which an unread batch tells as well."""
        if batch or not self._queue:
            self._queue.append(batch)
        self._pending += len(batch)
        if self._pending > MAX_PENDING:
            self._queue.clear()
            self._hub.forget(self)
            self.fail(Unavailable(f"watch of {self.prefix!r} fell behind"))
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Hub:
    """The watches of one store and the revision up to which they have been fed."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self._by_prefix: dict[str, dict[Watcher, None]] = {}
        self._lengths: list[int] = []  # of the prefixes in use

    def watch(self, prefix: str, revision: int, history: History | None = None) -> Watcher:
        """A watch of everything published from now on, after `history` (from `revision` to now)."""
        watcher = Watcher(self, prefix, revision, history)
        self._by_prefix.setdefault(prefix, {})[watcher] = None
        self._measure()
        return watcher

    def forget(self, watcher: Watcher) -> None:
        same = self._by_prefix.get(watcher.prefix, {})
        same.pop(watcher, None)
        if not same:
            self._by_prefix.pop(watcher.prefix, None)
        self._measure()

    def _measure(self) -> None:
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix})

    def publish(self, changes: Sequence[Change], revision: int) -> None:
        """Hand one commit's changes, in revision order, to the watches."""
        found: dict[str, list[Change]] = {}
        by_prefix = self._by_prefix
        for change in changes:
            key = change.key
            for length in self._lengths:
                if length > len(key):
                    break
                prefix = key[:length]
                if prefix in by_prefix:
                    found.setdefault(prefix, []).append(change)
        self.revision = revision
        for prefix, batch in found.items():
            for watcher in list(by_prefix.get(prefix, ())):
                watcher.push(batch)

    def progress(self, revision: int) -> None:
        """`revision` came without a change here (others share the store): an empty batch for all."""
        self.revision = revision
        for watchers in self._by_prefix.values():
            for watcher in watchers:
                watcher.push(())

    def fail(self, error: StoreError) -> None:
        """End every watch."""
        for watchers in list(self._by_prefix.values()):
            for watcher in list(watchers):
                watcher.fail(error)
        self._by_prefix.clear()
        self._lengths = []
