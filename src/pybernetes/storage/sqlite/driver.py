# SPDX-License-Identifier: Apache-2.0
"""`SqliteStore`: puts the writer's thread, the readers and the watches together on the loop.

- A write is answered after it is on the disk; its watches have been fed just before.
- Reads see everything acknowledged before they began.
- Not for virtual time: it has threads. Use the memory store there.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

from prometheus_client import Histogram

from pybernetes.base import metrics
from pybernetes.base.env import Env
from pybernetes.base.offload import Offload, Turns
from pybernetes.base.virtualtime import VirtualTimeLoop
from pybernetes.storage.expiry import Deadline, Expiry, Steady
from pybernetes.storage.hub import Hub
from pybernetes.storage.sqlite import queries, schema
from pybernetes.storage.sqlite.reader import Past, Readers
from pybernetes.storage.sqlite.writer import Batch, Compaction, Job, Surroundings, Writer
from pybernetes.storage.transaction import after, check_keys
from pybernetes.storage.types import NoSpace, Op, Page, Record, StoreError, Unavailable
from pybernetes.storage.watched import Watched, closed

RETRY = 1.0  # seconds until a key whose time is over is tried to be deleted again


@dataclass(frozen=True, slots=True)
class SqliteConfig:
    """Where the file is, and how many bytes of it may be in use (0: as many as the disk has)."""

    path: Path
    quota: int = 0


class SqliteStore(Watched):
    """A `Store` in one file. Made by `await SqliteStore.open(env, config)`."""

    def __init__(self, env: Env, config: SqliteConfig, parts: "_Parts") -> None:
        self._env = env
        self._clock = Steady(env.clock)
        self._lock = parts.lock
        self._readers = parts.readers
        self._loop = asyncio.get_running_loop()
        given = Surroundings(
            path=config.path,
            quota=config.quota,
            clock=self._clock,
            loop=self._loop,
            deliver=self._deliver,
            seconds=_commit_seconds(env),
            sizes=_commit_sizes(env),
        )
        self._writer = Writer(parts.connection, given)
        self._hub = Hub(self._writer.revision)
        self._expiry = Expiry(self._clock, self._expire, parts.deadlines)
        self._expiry.arm()
        self._waiting: list[Job | Compaction] = []  # submitted at the end of this turn of the loop
        self._turns = Turns()
        self._damage = ""
        self._audit: asyncio.Task[None] | None = None
        self._unchecked = parts.unchecked
        if parts.unchecked is not None:
            audit = self._check_file(parts.unchecked, config.path)
            self._audit = self._loop.create_task(audit, name="store/check")

    @classmethod
    async def open(cls, env: Env, config: SqliteConfig) -> "SqliteStore":
        """Open or create the file. Raises Unavailable (in use), StoreError (newer, damaged)."""
        if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            raise StoreError("no SQLite store on virtual time: use the memory store")
        return cls(env, config, await env.offload.run(_prepare, config.path, env.offload))

    @property
    def floor(self) -> int:
        return self._writer.floor

    def _answering(self) -> None:
        super()._answering()
        if self._damage:
            raise Unavailable(self._damage)

    async def _check_file(self, connection: sqlite3.Connection, path: Path) -> None:
        """Read a large file to its end; if it is damaged, nothing is answered from then on."""
        try:
            await self._env.offload.run(schema.check, connection, path)
        except sqlite3.OperationalError:
            return  # interrupted: we are closing
        except (StoreError, sqlite3.DatabaseError) as error:
            self._damage = str(error)
            self._hub.fail(Unavailable(self._damage))
        finally:
            self._unchecked = None
            connection.close()

    async def get(self, key: str, revision: int = 0) -> Record | None:
        while True:
            at = self._check(revision, key)
            found = await self._readers.run(queries.get, key, at)
            if self.floor <= at:
                return found

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        low, high = max(prefix, start), after(prefix)
        while True:
            at = self._check(revision, prefix)
            records, remaining = await self._readers.run(queries.page, (low, high), limit, at)
            if self.floor <= at:
                return Page(records, at, remaining > 0, remaining)

    async def write(self, ops: Sequence[Op]) -> int:
        self._check()
        check_keys(ops)
        future: asyncio.Future[int] = self._loop.create_future()
        self._submit(Job(ops, future))
        return await future

    def _submit(self, job: Job | Compaction) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(job)

    def _flush(self) -> None:
        if self._waiting:
            self._turns.begin(len(self._waiting))
            self._writer.submit(self._waiting)
            self._waiting = []

    def _deliver(self, batch: Batch) -> None:
        """On the loop, once a commit: watches first, then those who wrote."""
        self._turns.end(len(batch.outcomes))
        if batch.changes:
            self._hub.publish(batch.changes, batch.revision)
        for deadline in batch.deadlines:
            self._expiry.add(deadline)
        for future, outcome in batch.outcomes:
            if future.done():
                continue
            if isinstance(outcome, StoreError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _expire(self, due: Sequence[tuple[str, int]]) -> None:
        for key, revision in due:
            future: asyncio.Future[int] = self._loop.create_future()
            future.add_done_callback(partial(self._expired, key, revision))
            self._submit(Job([Op(key, None, expected=revision)], future))

    def _expired(self, key: str, revision: int, done: "asyncio.Future[int]") -> None:
        """What the disk refused to delete is tried again; a conflict is a newer version's."""
        if isinstance(done.exception(), NoSpace | Unavailable) and self._closing is None:
            self._expiry.add((self._clock.time() + RETRY, key, revision))

    def _past(self, prefix: str, revision: int) -> Past:
        last = self.revision
        return Past(self._readers, prefix, revision=revision, last=last, floor=lambda: self.floor)

    async def compact(self, revision: int) -> None:
        self._check(max(revision, self.floor))
        future: asyncio.Future[int] = self._loop.create_future()
        self._submit(Compaction(revision, future))
        await future

    async def size(self) -> int:
        self._check()
        return await self._readers.run(queries.used_bytes)

    def fork(self) -> NoReturn:
        raise StoreError("a SQLite store cannot be forked: load a snapshot into a memory store")

    async def snapshot(self, path: str) -> None:
        self._check()
        await self._readers.run(queries.copy, Path(path))

    async def _close(self) -> None:
        self._expiry.close()
        if self._unchecked is not None:
            self._unchecked.interrupt()
        if self._audit is not None:
            await self._audit
        self._flush()
        try:
            await self._env.offload.run(self._stop)
        finally:
            self._hub.fail(closed())

    def _stop(self) -> None:
        self._readers.close()
        self._writer.stop()
        self._lock.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What opening the file gave."""

    lock: IO[str]
    connection: sqlite3.Connection  # the writer's
    readers: Readers
    deadlines: list[Deadline]
    unchecked: sqlite3.Connection | None  # to a file too large to be read whole before it is used


def _prepare(path: Path, offload: Offload) -> _Parts:
    with contextlib.ExitStack() as undo:
        lock = undo.enter_context(schema.lock(path))
        connection = undo.enter_context(contextlib.closing(schema.open_writer(path)))
        deadlines = queries.deadlines(connection)
        readers = Readers(path, offload)
        large = path.stat().st_size > schema.CHECKED_AT_OPEN
        unchecked = schema.connect(path) if large else None
        undo.pop_all()
        return _Parts(lock, connection, readers, deadlines, unchecked)


def _commit_seconds(env: Env) -> Histogram:
    name = "pybernetes_store_commit_duration_seconds"
    return metrics.histogram(env, name, "How long the store's commits take.")


def _commit_sizes(env: Env) -> Histogram:
    name = "pybernetes_store_commit_transactions"
    buckets = metrics.exponential(1, 2, 11)
    return metrics.histogram(env, name, "Transactions in one commit.", buckets=buckets)
