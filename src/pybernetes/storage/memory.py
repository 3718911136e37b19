# SPDX-License-Identifier: Apache-2.0
"""The store in memory: for tests, forks and virtual time. Nothing survives the process.

Records never change, so a fork shares even the containers, until one side writes. The newest state is a dictionary and a
sorted list of its keys; the past is the log of changes since the floor, which is undone backwards
to read at an older revision and replayed to start a watch.
"""

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.shared import Shared
from pybernetes.storage import snapshot
from pybernetes.storage.expiry import Expiry, Steady
from pybernetes.storage.hub import Hub, Known
from pybernetes.storage.transaction import FIRST, after, check_quota, decide, growth
from pybernetes.storage.types import Change, Conflict, Op, Page, Record
from pybernetes.storage.watched import Watched, closed

_revision = attrgetter("revision")


class MemoryStore(Watched, Shared):
    """A `Store`. Writes take effect at once, on the loop; there is no thread and no lock."""

    _COMMON = ("_records", "_keys", "_log")

    def __init__(self, env: Env, *, quota: int = 0) -> None:
        super().__init__()
        self._env = env
        self._clock = Steady(env.clock)
        self._quota = quota
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []  # of _records, sorted
        self._log: list[Change] = []  # every change after the floor, by revision
        self._floor = FIRST
        self._size = 0
        self._hub = Hub(FIRST)
        self._expiry = Expiry(self._clock, self._expire)

    @classmethod
    async def restore(cls, env: Env, path: str) -> "MemoryStore":
        """A store with the content of a snapshot, and no history. Raises StoreError."""
        content = await env.offload.run(snapshot.read, Path(path))
        store = cls(env)
        store._records = {record.key: record for record in content.records}
        store._keys = sorted(store._records)
        store._size = sum(len(record.key) + len(record.value) for record in content.records)
        store._floor = content.revision
        store._hub = Hub(content.revision)
        store._expiry = Expiry(store._clock, store._expire, content.deadlines)
        store._expiry.arm()
        return store

    @property
    def floor(self) -> int:
        return self._floor

    def _answering(self) -> None:
        super()._answering()
        self._expiry.arm()

    async def get(self, key: str, revision: int = 0) -> Record | None:
        self._check(revision, key)
        if revision and revision < self.revision:
            for change in self._since(revision):
                if change.key == key:
                    return change.previous
        return self._records.get(key)

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        self._check(revision, prefix)
        low = max(prefix, start)
        first, end = bisect_left(self._keys, low), bisect_left(self._keys, after(prefix))
        keys, records = self._keys[first:end], self._records
        if revision and revision < self.revision:
            records = self._back(keys, prefix, revision)
            keys = sorted(key for key in records if key >= low)
        found = [records[key] for key in (keys[:limit] if limit else keys)]
        remaining = len(keys) - len(found)
        return Page(found, revision or self.revision, remaining > 0, remaining)

    def _since(self, revision: int) -> Sequence[Change]:
        return self._log[bisect_right(self._log, revision, key=_revision) :]

    def _back(self, keys: Sequence[str], prefix: str, revision: int) -> dict[str, Record]:
        """What was at `revision` under `keys` and under what has changed there since."""
        then: dict[str, Record | None] = {key: self._records[key] for key in keys}
        for change in reversed(self._since(revision)):
            if change.key.startswith(prefix):
                then[change.key] = change.previous
        return {key: record for key, record in then.items() if record is not None}

    async def write(self, ops: Sequence[Op]) -> int:
        self._check()
        check_quota(ops, self._size, self._quota)
        revision = self.revision
        changes = decide(ops, revision + 1, self._records.get)
        if changes:
            revision += 1
            self._apply(changes)
            self._remember(ops, revision)
            self._hub.publish(changes, revision)
        await asyncio.sleep(0)  # watches first
        return revision

    def _apply(self, changes: Sequence[Change]) -> None:
        self._own()
        for change in changes:
            if change.record is None:
                del self._records[change.key]
                del self._keys[bisect_left(self._keys, change.key)]
                continue
            if change.previous is None:
                insort(self._keys, change.key)
            self._records[change.key] = change.record
        self._log.extend(changes)
        self._size += growth(changes)

    def _remember(self, ops: Sequence[Op], revision: int) -> None:
        for op in ops:
            if op.ttl and op.value is not None:
                self._expiry.add((self._clock.time() + op.ttl, op.key, revision))

    def _expire(self, due: Sequence[tuple[str, int]]) -> None:
        for key, revision in due:
            try:
                ops = [Op(key, None, expected=revision)]
                changes = decide(ops, self.revision + 1, self._records.get)
            except Conflict:
                continue  # written again since
            self._apply(changes)
            self._hub.publish(changes, self.revision + 1)

    def _past(self, prefix: str, revision: int) -> Known:
        return Known([c for c in self._since(revision) if c.key.startswith(prefix)])

    async def compact(self, revision: int) -> None:
        self._check(max(revision, self._floor))
        if revision > self._floor:
            self._own()
            del self._log[: bisect_right(self._log, revision, key=_revision)]
            self._floor = revision

    async def size(self) -> int:
        return self._size

    def fork(self, env: Env | None = None) -> "MemoryStore":
        """A copy that shares the records; for another loop, hand in that loop's Env."""
        copy = MemoryStore(env or self._env, quota=self._quota)
        copy.share(self)
        copy._floor = self._floor
        copy._size = self._size
        copy._hub = Hub(self.revision)
        copy._clock = self._clock if env is None else copy._clock
        copy._expiry = Expiry(copy._clock, copy._expire)
        copy._expiry.share(self._expiry)
        if env is None:
            copy._expiry.arm()
        return copy

    async def snapshot(self, path: str) -> None:
        self._check()
        records = [self._records[key] for key in self._keys]
        content = snapshot.Content(self.revision, records, self._expiry.deadlines())
        await self._env.offload.run(snapshot.write, Path(path), content)

    async def _close(self) -> None:
        self._expiry.close()
        self._hub.fail(closed())
