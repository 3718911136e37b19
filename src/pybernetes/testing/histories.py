# SPDX-License-Identifier: Apache-2.0
"""Histories: what concurrent clients asked of a store, what they were told, what watches showed.

Record with a `Client` and `History.follow`, then judge with `testing.linearizability` and
`testing.watches`. Write each value once and delete with `expected`: then the fate of a write whose
answer was lost can be told.
"""

import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pybernetes.storage.types import Change, Conflict, NoSpace, Op, Page, Record, Store, Watch

_T = TypeVar("_T")


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
        self._moment = itertools.count(1)

    async def record(self, call: Call, answer: Awaitable[_T]) -> _T:
        """Await `answer` and note what it was; a cancelled or failed write stays without."""
        call.called = next(self._moment)
        self.calls.append(call)
        try:
            call.result = found = await answer
        except Conflict as conflict:
            call.result = conflict
            call.returned = next(self._moment)
            raise
        except BaseException as error:
            if isinstance(error, NoSpace) or not call.ops:
                self.calls.remove(call)
            raise
        call.returned = next(self._moment)
        return found

    async def follow(self, watch: Watch, log: WatchLog) -> None:
        """Note what `watch` delivers until it ends or fails (which is raised)."""
        self.logs.append(log)
        async for batch in watch:
            log.batches.append((batch, watch.revision))

    def story(self) -> list[Change]:
        """All that any watch has shown, in revision order."""
        batches = (batch for log in self.logs for batch, _ in log.batches)
        seen = {(change.revision, change.key): change for batch in batches for change in batch}
        return [seen[at] for at in sorted(seen)]

    def settled(self) -> list[Call]:
        """The answered calls, and unanswered writes with the revision at which watches saw them.

        Those never seen are left out: somebody must have watched everything from start to end.
        """
        orphans: dict[int, dict[str, Change]] = {}
        for change in self.story():
            orphans.setdefault(change.revision, {})[change.key] = change
        calls = [call for call in self.calls if call.returned < math.inf]
        for call in calls:
            if isinstance(call.result, int) and _made(call.ops, orphans.get(call.result, {})):
                del orphans[call.result]
        for call in self.calls:
            found = next((at for at in orphans if _made(call.ops, orphans[at])), 0)
            if call.returned == math.inf and found:
                calls.append(replace(call, result=found))
                del orphans[found]
        return calls


def _made(ops: Sequence[Op], changes: dict[str, Change]) -> bool:
    """Whether `ops` made exactly these changes."""
    wanted = {op.key: op for op in ops if op.value is not None or op.key in changes}
    return changes.keys() == wanted.keys() != set() and all(
        (change.record.value if change.record else None) == wanted[key].value
        and wanted[key].expected in (None, change.previous.revision if change.previous else 0)
        for key, change in changes.items()
    )


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
