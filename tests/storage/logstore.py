# SPDX-License-Identifier: Apache-2.0
"""A driver of somebody else's, as small as one can be, and its brothers that each break one promise.

The memory store with a file beside it: a line for each transaction (checksum, JSON), synced before the
store has it. What is in the file is done again when it is opened.
"""

import asyncio
import errno
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.hub import Watcher
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.transaction import decide
from pybernetes.storage.types import NoSpace, Op, Record, Unavailable
from pybernetes.testing.stores import CrashSuite, StoreSuite


def encoded(ops: Sequence[Op], ends: Sequence[float]) -> bytes:
    rows = [
        (op.key, None if op.value is None else op.value.hex(), end)
        for op, end in zip(ops, ends, strict=True)
    ]
    text = json.dumps(rows).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decoded(line: bytes) -> list[tuple[Op, float]]:
    """Empty for a line that is torn."""
    total, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or total != b"%08x" % zlib.crc32(text):
        return []
    rows = json.loads(text)
    return [(Op(key, None if v is None else bytes.fromhex(v)), end) for key, v, end in rows]


class LogStore(MemoryStore):
    def __init__(self, env: Env, path: Path) -> None:
        super().__init__(env)
        self._draw = Random(1)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._good = 0  # bytes of whole lines
        for line in path.read_bytes().splitlines(keepends=True):
            found = decoded(line)
            if not found:
                break
            self._good += len(line)
            self._again(found)

    def _again(self, found: Sequence[tuple[Op, float]]) -> None:
        revision = self.revision + 1
        changes = decide([op for op, _ in found], revision, self._records.get)
        self._apply(changes)
        self._hub.publish(changes, revision)
        for op, end in found:
            if end:
                self._expiry.add((end, op.key, revision))

    async def write(self, ops: Sequence[Op]) -> int:
        self._check()
        if decide(ops, self.revision + 1, self._records.get):  # raises Conflict
            now = self._env.clock.time()
            self._append(encoded(ops, [op.ttl and now + op.ttl for op in ops]))
        return await super().write(ops)

    def _expire(self, due: Sequence[tuple[str, int]]) -> None:
        for key, revision in due:
            current = self._records.get(key)
            if current and current.revision == revision:
                self._append(encoded([Op(key, None)], [0]))
                super()._expire([(key, revision)])

    def _append(self, line: bytes) -> None:
        """Durably."""
        try:
            os.ftruncate(self._file, self._good)  # what an error left
            if os.pwrite(self._file, line, self._good) < len(line):
                raise OSError(errno.EIO, "a short write")
            self._sync()
        except OSError as error:
            kind = NoSpace if error.errno == errno.ENOSPC else Unavailable
            raise kind(str(error)) from error
        self._good += len(line)

    def _sync(self) -> None:
        os.fsync(self._file)

    async def _close(self) -> None:
        os.close(self._file)
        await super()._close()


class Log(StoreSuite, CrashSuite):
    kind: type[LogStore] = LogStore
    rounds = 2
    seconds = 2.0

    async def open(self, env: Env, folder: Path) -> LogStore:
        return self.kind(env, folder / "log")


class AcknowledgesTooEarly(LogStore):
    def _sync(self) -> None:
        """The kernel will do it some time."""


class LosesHalf(LogStore):
    """Writes the second half of a transaction a little later."""

    async def write(self, ops: Sequence[Op]) -> int:
        decide(ops, self.revision + 1, self._records.get)
        for op in ops:
            await super().write([Op(op.key, op.value, None, op.ttl)])
            await asyncio.sleep(0)
        return self.revision


class Repeats(LogStore):
    def watch(self, prefix: str, revision: int) -> Watcher:
        """Begins one change too early."""
        missed = [c for c in self._log if c.key.startswith(prefix) and c.revision <= revision]
        watcher = super().watch(prefix, revision)
        if missed and self._draw.below(3) == 0:
            watcher._queue.appendleft(missed[-1:])
        return watcher


class AnswersStale(LogStore):
    async def get(self, key: str, revision: int = 0) -> Record | None:
        """As a member that has not heard the latest."""
        stale = not revision and self._draw.below(10) == 0
        return await super().get(key, max(self.floor, self.revision - 40) if stale else revision)


class TooEarly(Log):
    kind = AcknowledgesTooEarly


class Half(Log):
    kind = LosesHalf


class Again(Log):
    kind = Repeats


class Stale(Log):
    kind = AnswersStale
