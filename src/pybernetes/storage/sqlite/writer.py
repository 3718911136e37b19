# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes: group commit, and between commits compaction and vacuum.

- What waits when a commit ends goes into the next one together; each transaction is checked on
  its own against the state the ones before it made.
- A batch is one read and one INSERT, which is its own transaction: two steps of SQLite.
- The loop is woken once a batch.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Histogram

from pybernetes.base.clock import Clock
from pybernetes.base.offload import Worker
from pybernetes.storage.sqlite import queries, schema
from pybernetes.storage.transaction import check_quota, decide
from pybernetes.storage.types import Change, Op, Record, StoreError

BATCH = 1000  # transactions in one commit, about
SWEEP_REVISIONS = 500  # swept in one step
VACUUM_PAGES = 256  # given back to the system in one step
FREE_PAGES = 1024  # kept for later writes, but no more than a quarter of the data


@dataclass(frozen=True, slots=True)
class Job:
    """A transaction that waits."""

    ops: Sequence[Op]
    future: "asyncio.Future[int]"


@dataclass(frozen=True, slots=True)
class Compaction:
    """A wish to forget; answered once the new floor is durable."""

    revision: int
    future: "asyncio.Future[int]"


Outcome = tuple["asyncio.Future[int]", int | StoreError]


@dataclass(slots=True)
class Batch:
    """What one commit did, on its way to the loop."""

    revision: int
    changes: list[Change]
    deadlines: list[tuple[float, str, int]]
    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Writer is given: where to write, whom to tell, what to measure."""

    path: Path
    quota: int
    clock: Clock
    loop: asyncio.AbstractEventLoop
    deliver: Callable[[Batch], None]  # called on the loop
    seconds: Histogram
    sizes: Histogram


class Writer:
    """Owns the writing connection. Only `submit` and `stop` are for other threads."""

    def __init__(self, connection: sqlite3.Connection, given: Surroundings) -> None:
        self._connection = connection
        self._given = given
        self.revision, self.floor, self._swept = schema.state(connection)
        self._used = queries.used_bytes(connection)
        self._written = 0  # bytes since _used was measured
        self._vacuum = True  # there may be pages to give back
        self._worker: Worker[Job | Compaction] = Worker("store", self._work, self._rest, BATCH)

    def submit(self, jobs: "list[Job | Compaction]") -> None:
        self._worker.put(jobs)

    def stop(self) -> None:
        """Finish what was submitted; fold the write-ahead log into the file; close. Blocks."""
        self._worker.stop()
        self._connection.close()

    def _work(self, jobs: "list[Job | Compaction]") -> None:
        writes = [job for job in jobs if isinstance(job, Job)]
        started = self._given.clock.monotonic()
        batch = self._commit(writes) if writes else Batch(self.revision, [], [], [])
        for job in jobs:
            if isinstance(job, Compaction):
                batch.outcomes.append((job.future, self._compact(job.revision)))
        self._given.seconds.observe(self._given.clock.monotonic() - started)
        self._given.sizes.observe(len(writes))
        try:
            self._given.loop.call_soon_threadsafe(self._given.deliver, batch)
        except RuntimeError:
            return  # the loop has ended, and with it everyone who waits

    def _commit(self, jobs: Sequence[Job]) -> Batch:
        """Check each transaction, write all that pass at once."""
        batch = Batch(self.revision, [], [], [])
        try:
            rows = self._decide(jobs, batch)
            if rows:
                queries.insert(self._connection, rows)
                self.revision = batch.revision
                self._measure(rows)
        except sqlite3.Error as error:
            failure = schema.translated(error, self._given.path)
            failure.__cause__ = error
            return Batch(self.revision, [], [], [(job.future, failure) for job in jobs])
        return batch

    def _decide(self, jobs: Sequence[Job], batch: Batch) -> list[queries.Row]:
        keys = list(dict.fromkeys(op.key for job in jobs for op in job.ops))
        state: dict[str, Record] = queries.newest(self._connection, keys)
        now = self._given.clock.time()
        rows: list[queries.Row] = []
        for job in jobs:
            try:
                check_quota(job.ops, self._used + self._written, self._given.quota)
                changes = decide(job.ops, batch.revision + 1, state.get)
            except StoreError as error:
                batch.outcomes.append((job.future, error))
                continue
            if changes:
                batch.revision += 1
                batch.changes += changes
                ttls = {op.key: op.ttl for op in job.ops if op.ttl}
                for index, change in enumerate(changes):
                    ttl = ttls.get(change.key)
                    rows.append(_row(change, index, now + ttl if ttl else None))
                    _follow(state, change)
                    if ttl and change.record:
                        batch.deadlines.append((now + ttl, change.key, batch.revision))
            batch.outcomes.append((job.future, batch.revision))
        return rows

    def _measure(self, rows: Sequence[queries.Row]) -> None:
        self._written += sum(len(row[1]) * 2 + len(row[2] or b"") for row in rows)
        if self._written > 1 << 20:
            self._used, self._written = queries.used_bytes(self._connection), 0

    def _compact(self, revision: int) -> int | StoreError:
        """Make the new floor durable; the sweeping follows when nothing waits."""
        if revision > self.floor:
            try:
                queries.set_meta(self._connection, "floor", revision)
            except sqlite3.Error as error:
                return schema.translated(error, self._given.path)
            self.floor = revision
        return self.floor

    def _rest(self) -> bool:
        """One step of what can wait. True if there is more."""
        try:
            if self._swept < self.floor:
                last = min(self.floor, self._swept + SWEEP_REVISIONS)
                queries.sweep(self._connection, self._swept + 1, last)
                self._swept = last
                self._vacuum = True
            elif self._vacuum:
                self._used, self._written = queries.used_bytes(self._connection), 0
                kept = min(FREE_PAGES, self._used // schema.PAGE_SIZE // 4)
                spare = queries.free_pages(self._connection) - kept
                self._vacuum = spare > 0
                if self._vacuum:
                    queries.vacuum(self._connection, min(spare, VACUUM_PAGES))
        except sqlite3.Error:
            return False  # tried again after the next commit, whose writers learn of the trouble
        return self._vacuum or self._swept < self.floor


def _row(change: Change, index: int, deadline: float | None) -> queries.Row:
    identity = schema.first_id(change.revision) + index * 2
    if change.record is None:
        return identity + queries.DELETED, change.key, None, None, None
    return identity, change.key, change.record.value, change.record.created, deadline


def _follow(state: dict[str, Record], change: Change) -> None:
    if change.record is None:
        state.pop(change.key, None)
    else:
        state[change.key] = change.record
