# SPDX-License-Identifier: Apache-2.0
"""Reads: on connections of their own, off the loop, never in the way of writes.

Every read is "as of a revision", so it sees one state however many steps it takes. Only
compaction takes away what a read may need: the floor moves before anything is deleted, so a read
that finds the floor still below its revision when it ends has seen everything.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import LifoQueue
from typing import TypeVar

from pybernetes.base.offload import Offload
from pybernetes.storage.sqlite import queries, schema
from pybernetes.storage.types import Change, Compacted, Unavailable

_T = TypeVar("_T")
CONNECTIONS = 4


class Readers:
    """A few connections, each used by one thread at a time."""

    def __init__(self, path: Path, offload: Offload) -> None:
        self._path = path
        self._offload = offload
        # last in, first out: the one with the warmest cache
        self._free: LifoQueue[sqlite3.Connection | None] = LifoQueue()
        for _ in range(CONNECTIONS):
            self._free.put(schema.open_reader(path))

    async def run(self, read: Callable[..., _T], *arguments: object) -> _T:
        """`read(connection, *arguments)`. Raises Unavailable."""
        return await self._offload.run(self._run, read, arguments)

    def _run(self, read: Callable[..., _T], arguments: Sequence[object]) -> _T:
        connection = self._free.get()
        if connection is None:
            self._free.put(None)
            raise Unavailable("the store is closed")
        try:
            return read(connection, *arguments)
        except sqlite3.Error as error:
            raise schema.translated(error, self._path) from error
        finally:
            self._free.put(connection)

    def close(self) -> None:
        """Wait for the reads under way and close. Blocks."""
        for _ in range(CONNECTIONS):
            connection = self._free.get()
            if connection is not None:
                connection.close()
        self._free.put(None)


class Past:
    """What a watch missed: a `hub.History` of `prefix` in revisions after `revision` up to `last`."""

    def __init__(
        self, readers: Readers, prefix: str, *, revision: int, last: int, floor: Callable[[], int]
    ) -> None:
        self._readers = readers
        self._prefix = prefix
        self._revision = revision
        self._last = last
        self._floor = floor

    async def next(self) -> Sequence[Change]:
        while self._revision < self._last:
            first, last = self._revision + 1, self._last
            changes, more = await self._readers.run(queries.history, self._prefix, first, last)
            if self._floor() > self._revision:
                raise Compacted(self._floor())
            self._revision = changes[-1].revision if more else last
            if changes:
                return changes
        return ()
