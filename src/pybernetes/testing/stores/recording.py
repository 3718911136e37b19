# SPDX-License-Identifier: Apache-2.0
"""Histories: what concurrent clients asked of a store, what they were told, what watches showed.

Record with a `Client` and `History.follow`, then judge with `linearizability` and `watches`. Write
each value once and delete with `expected`: then the fate of a write whose answer was lost can be told,
and whether a key with a time to live went too early.
"""

import asyncio
import math
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from pybernetes.storage.types import Change, Conflict, NoSpace, Op, Page, Record, Store, Watch

_T = TypeVar("_T")
EARLY = 0.005  # seconds by which two clocks may differ over a time to live


@dataclass(slots=True)
class Call:
    """One call. `called` and `returned` order all moments of a history; infinite: no answer came.

    `target`: the key of a get, the prefix of a list, or a write's operations. `revision`: of the
    past that was asked for, 0 for now. `result` is the answer, a write's Conflict included; without
    one the call may have had its effect at any time since, or never.
    """

    target: str | Sequence[Op]
    revision: int = 0
    called: float = 0
    returned: float = math.inf
    result: Any = None  # Record, None, Page, revision or Conflict
    ended: bool = False  # nobody's call: a time to live was over

    @property
    def ops(self) -> Sequence[Op]:
        return () if isinstance(self.target, str) else self.target

    @property
    def keys(self) -> list[str]:
        return [self.target] if isinstance(self.target, str) else [op.key for op in self.target]


@dataclass(slots=True)
class WatchLog:
    """What one watch of `prefix` delivered: batches, and the revision it claimed after each."""

    prefix: str
    since: int
    batches: list[tuple[Sequence[Change], int]] = field(default_factory=list)

    @property
    def claimed(self) -> int:
        return self.batches[-1][1] if self.batches else self.since


class History:
    """Everything that was recorded; left out: writes refused for want of space, reads without answer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.logs: list[WatchLog] = []
        self.times: list[float] = []  # of the loop, at each moment (they count from one)
        self.shown: dict[tuple[int, str], int] = {}  # revision and key: when a watch first had it

    def _moment(self) -> int:
        self.times.append(asyncio.get_running_loop().time())
        return len(self.times)

    async def record(self, call: Call, answer: Awaitable[_T]) -> _T:
        """Await `answer` and note what it was; a cancelled or failed write stays without."""
        call.called = self._moment()
        self.calls.append(call)
        try:
            call.result = found = await answer
        except Conflict as conflict:
            call.result = conflict
            call.returned = self._moment()
            raise
        except BaseException as error:
            if isinstance(error, NoSpace) or not call.ops:
                self.calls.remove(call)
            raise
        call.returned = self._moment()
        return found

    async def follow(self, watch: Watch, log: WatchLog) -> None:
        """Note what `watch` delivers until it ends or fails (which is raised)."""
        self.logs.append(log)
        async for batch in watch:
            log.batches.append((batch, watch.revision))
            moment = self._moment()
            for change in batch:
                self.shown.setdefault((change.revision, change.key), moment)

    def story(self) -> list[Change]:
        """All that any watch has shown, in revision order."""
        batches = (batch for log in self.logs for batch, _ in log.batches)
        seen = {(change.revision, change.key): change for batch in batches for change in batch}
        return [seen[at] for at in sorted(seen)]

    def settled(self) -> list[Call]:
        """The answered calls, and what watches saw happen besides, as calls that ended when it was seen.

        These are unanswered writes, and keys that went when their time to live was over. Unanswered
        writes never seen are left out: somebody must have watched everything from start to end.
        """
        seen: dict[int, dict[str, Change]] = {}
        for change in self.story():
            seen.setdefault(change.revision, {})[change.key] = change
        calls = [call for call in self.calls if call.returned < math.inf]
        lost = [call for call in self.calls if call.returned == math.inf]
        made = {
            call.result: call
            for call in calls
            if isinstance(call.result, int) and _made(call.ops, seen.get(call.result, {}))
        }
        for revision, changes in seen.items():
            if revision not in made:
                for call in self._unanswered(changes, lost, made):
                    made[revision] = call
                    calls.append(call)
        return calls

    def _unanswered(
        self, changes: dict[str, Change], lost: list[Call], made: dict[int, Call]
    ) -> Iterator[Call]:
        """What made `changes` at one revision: one of `lost`, which it leaves, or time."""
        seen = min(self.shown.get((c.revision, c.key), math.inf) for c in changes.values())
        revision = next(iter(changes.values())).revision
        over = max(self._over(change, made) for change in changes.values())
        causes = [call for call in lost if _made(call.ops, changes)]
        if causes:
            cause = min(causes, key=attrgetter("called"))
            lost.remove(cause)
            yield replace(cause, called=min(cause.called, over), returned=seen, result=revision)
        elif over <= seen:  # a lease of etcd ends for keys of many folders at once
            for _, keys in groupby(sorted(changes), folder):
                ops = [Op(key, None, changes[key].previous.revision) for key in keys]  # type: ignore[union-attr]
                yield Call(ops, 0, over, seen, revision, ended=True)

    def _over(self, change: Change, made: dict[int, Call]) -> float:
        """The moment from which time may have made `change`; infinite: never."""
        cause = made.get(change.previous.revision) if change.previous else None
        ttl = next((op.ttl for op in cause.ops if op.key == change.key), 0) if cause else 0
        if cause is None or not ttl or change.record:
            return math.inf
        return bisect_left(self.times, self.times[int(cause.called) - 1] + ttl - EARLY) + 1


def folder(key: str) -> str:
    """A key's, or a prefix's that ends in its last slash: what is judged alone."""
    return key.rpartition("/")[0]


def _made(ops: Sequence[Op], changes: dict[str, Change]) -> bool:
    """Whether `ops` made exactly these changes."""
    return (
        changes.keys() != set()
        and changes.keys() <= {op.key for op in ops}
        and all(_did(op, changes.get(op.key)) for op in ops)
    )


def _did(op: Op, change: Change | None) -> bool:
    if change is None:  # deleted what was not there
        return op.value is None and not op.expected
    value = change.record.value if change.record else None
    return value == op.value and not refuses(op, change.previous)


def refuses(op: Op, current: Record | None) -> bool:
    """Whether its check fails where `current` is stored."""
    return op.expected is not None and op.expected != (current.revision if current else 0)


@dataclass(frozen=True, slots=True)
class Client:
    """Calls whatever `store()` is at each call, and records each call in `history`."""

    history: History
    store: Callable[[], Store]

    async def get(self, key: str, revision: int = 0) -> Record | None:
        return await self.history.record(Call(key, revision), self.store().get(key, revision))

    async def list(self, prefix: str, revision: int = 0) -> Page:
        answer = self.store().list(prefix, revision=revision)
        return await self.history.record(Call(prefix, revision), answer)

    async def write(self, ops: Sequence[Op]) -> int:
        return await self.history.record(Call(ops), self.store().write(ops))
