# SPDX-License-Identifier: Apache-2.0
"""The checkers of histories: honest stores pass with every seed, planted faults are all found."""

import asyncio
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import Change, Conflict, Op, Page, Record
from pybernetes.testing.stores import linearizability, watches
from pybernetes.testing.stores.histories import Load, Verdict, compaction, run
from pybernetes.testing.stores.recording import Call, History, WatchLog


def put(key: str, value: str, expected: int | None = None) -> list[Op]:
    return [Op(key, value.encode(), expected)]


def rec(key: str, value: str, revision: int, created: int = 0) -> Record:
    return Record(key, value.encode(), revision, created or revision)


A1, A2 = rec("/g/a", "1", 2), rec("/g/a", "2", 3, 2)
WRITES = [Call(put("/g/a", "1"), 0, 1, 2, 2), Call(put("/g/a", "2"), 0, 3, 8, 3)]
JUDGED: dict[str, tuple[list[Call], str]] = {
    "a write may happen anywhere between call and return": (
        [*WRITES, Call("/g/a", 0, 4, 5, A1), Call("/g/a", 0, 6, 7, A2)],
        "",
    ),
    "two reads never see the new value and then the old": (
        [*WRITES, Call("/g/a", 0, 4, 5, A2), Call("/g/a", 0, 6, 7, A1)],
        "not linearizable",
    ),
    "an acknowledged write is seen": (
        [*WRITES, Call("/g/a", 0, 9, 10, A1)],
        "not linearizable",
    ),
    "an answer from nowhere": (
        [Call("/g/a", 0, 1, 2, A1)],
        "not linearizable",
    ),
    "a write without an answer may happen much later": (
        [
            Call(put("/g/a", "1"), 0, 1, math.inf, 2),
            Call("/g/a", 0, 3, 4, None),
            Call("/g/a", 0, 5, 6, A1),
        ],
        "",
    ),
    "but it stays happened": (
        [
            Call(put("/g/a", "1"), 0, 1, math.inf, 2),
            Call("/g/a", 0, 3, 4, A1),
            Call("/g/a", 0, 5, 6, None),
        ],
        "not linearizable",
    ),
    "one winner per create": (
        [Call(put("/g/a", "1", 0), 0, 1, 3, 2), Call(put("/g/a", "2", 0), 0, 2, 4, 3)],
        "not linearizable",
    ),
    "the loser is told the winner": (
        [
            Call(put("/g/a", "1", 0), 0, 1, 3, 2),
            Call(put("/g/a", "2", 0), 0, 2, 4, Conflict(0, "/g/a", A1)),
        ],
        "",
    ),
    "nobody loses without a winner": (
        [Call(put("/g/a", "2", 0), 0, 2, 4, Conflict(0, "/g/a", A1))],
        "not linearizable",
    ),
    "half a transaction is never seen": (
        [
            Call([*put("/g/a", "1"), *put("/g/b", "1")], 0, 1, 4, 2),
            Call("/g/", 0, 2, 3, Page([A1], 2)),
        ],
        "not linearizable",
    ),
    "revisions do not repeat in a group": (
        [WRITES[0], Call(put("/g/b", "1"), 0, 3, 4, 2)],
        "not linearizable",
    ),
    "revisions of all groups follow time": (
        [Call(put("/g/a", "1"), 0, 1, 2, 5), Call(put("/h/a", "1"), 0, 3, 4, 4)],
        "revisions go back",
    ),
    "a list is not older than a write before it": (
        [WRITES[0], Call("/h/", 0, 3, 4, Page([], 1))],
        "revisions go back",
    ),
}


@pytest.mark.parametrize("name", JUDGED)
def test_small_histories(name: str) -> None:
    calls, expected = JUDGED[name]
    found = linearizability.violations(calls)
    assert [text.startswith(expected) for text in found] == [True] * bool(expected)


def test_calls_that_cross_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="crosses groups"):
        linearizability.violations([Call([*put("/g/a", "1"), *put("/h/a", "1")], 0, 1, 2, 2)])


def test_what_was_there_before() -> None:
    assert linearizability.violations([Call("/g/a", 0, 1, 2, None)], start=[A1]) != []
    reads = [Call("/g/a", 0, 1, 2, A1), Call(put("/g/a", "2", 2), 0, 3, 4, 3)]
    assert linearizability.violations(reads, start=[A1]) == []


class Slow(MemoryStore):
    """Honest, but every call takes its time before and after its effect, so that calls overlap."""

    def __init__(self, env: Env, seed: int) -> None:
        super().__init__(env)
        self.draw = Random(seed)

    async def _wait(self) -> None:
        await asyncio.sleep(self.draw.uniform(0, 0.01))

    async def get(self, key: str, revision: int = 0) -> Record | None:
        await self._wait()
        found = await self._get(key, revision)
        await self._wait()
        return found

    async def _get(self, key: str, revision: int) -> Record | None:
        return await super().get(key, revision)

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        await self._wait()
        found = await super().list(prefix, start=start, limit=limit, revision=revision)
        await self._wait()
        return found

    async def write(self, ops: Sequence[Op]) -> int:
        await self._wait()
        revision = await self._write(ops)
        await self._wait()
        return revision

    async def _write(self, ops: Sequence[Op]) -> int:
        return await super().write(ops)


class StaleReads(Slow):
    """Now and then the state of a few revisions ago, as a follower that lags would answer."""

    async def _get(self, key: str, revision: int) -> Record | None:
        if not revision and self.draw.below(10) == 0:
            revision = max(self.floor, self.revision - 40)
        return await super()._get(key, revision)


class LostWrites(Slow):
    """Now and then a write is acknowledged that never happens."""

    async def _write(self, ops: Sequence[Op]) -> int:
        return self.revision + 1 if self.draw.below(50) == 0 else await super()._write(ops)


class BlindWrites(Slow):
    """Checks are forgotten now and then: updates get lost."""

    async def _write(self, ops: Sequence[Op]) -> int:
        if self.draw.below(10) == 0:
            ops = [Op(op.key, op.value) for op in ops]
        return await super()._write(ops)


class TornWrites(Slow):
    """Now and then a transaction is two."""

    async def _write(self, ops: Sequence[Op]) -> int:
        if len(ops) > 1 and self.draw.below(2):
            await super()._write(ops[:1])
            ops = ops[1:]
        return await super()._write(ops)


class Twice(Slow):
    """Now and then a write is made two times, as by a client that tries again."""

    async def _write(self, ops: Sequence[Op]) -> int:
        if self.draw.below(20) == 0:
            await super()._write([Op(op.key, op.value) for op in ops])
            ops = [Op(op.key, op.value) for op in ops]
        return await super()._write(ops)


class TooEarly(Slow):
    """A time to live is over when nine tenths of it are."""

    def _remember(self, ops: Sequence[Op], revision: int) -> None:
        super()._remember([replace(op, ttl=op.ttl * 0.9) for op in ops], revision)  # type: ignore[arg-type]


def _loaded(kind: type[Slow], seed: int, seconds: float = 3) -> tuple[Verdict, History]:
    async def main(env: Env) -> tuple[Verdict, History]:
        load = Load(kind(env, seed), Random(seed))
        return await run(load, [compaction], seconds), load.history

    return virtualtime.run(main)


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_store_passes(seed: int) -> None:
    verdict, history = _loaded(Slow, seed)
    assert verdict.violations == []
    assert verdict.operations > 500
    assert any(call.returned == math.inf for call in history.calls)
    assert any(isinstance(call.result, Conflict) for call in history.calls)
    made = len(history.settled()) - sum(call.returned < math.inf for call in history.calls)
    assert made > verdict.expired > 0  # unanswered and seen, expired


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [StaleReads, LostWrites, BlindWrites, TornWrites])
def test_a_dishonest_store_is_found_out(kind: type[Slow], seed: int) -> None:
    found = _loaded(kind, seed)[0].violations
    assert any(text.startswith("not linearizable") for text in found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [Twice, TooEarly])
def test_what_nobody_asked_for_is_found_out(kind: type[Slow], seed: int) -> None:
    found = _loaded(kind, seed)[0].violations
    assert any(text.startswith("true: nobody made") for text in found)


Plant = Callable[[WatchLog, Random], None]


def _place(log: WatchLog, draw: Random, size: int = 1) -> int:
    """Of some batch of at least `size` changes that is neither first nor last."""
    places = [
        at for at, (batch, _) in enumerate(log.batches) if len(batch) >= size and batch[0].record
    ]
    return draw.choice(places[1:-2])


def _missing(log: WatchLog, draw: Random) -> None:
    del log.batches[_place(log, draw)]


def _twice(log: WatchLog, draw: Random) -> None:
    at = _place(log, draw)
    log.batches.insert(at, log.batches[at])


def _swapped(log: WatchLog, draw: Random) -> None:
    at = _place(log, draw)
    (one, first), (two, second) = log.batches[at : at + 2]
    log.batches[at : at + 2] = [(two, first), (one, second)]


def _split(log: WatchLog, draw: Random) -> None:
    places = [
        at
        for at, (batch, _) in enumerate(log.batches)
        if len(batch) > 1 and batch[0].revision == batch[1].revision
    ]
    at = draw.choice(places)
    batch, reached = log.batches[at]
    log.batches[at : at + 1] = [(batch[:1], log.since), (batch[1:], reached)]


def _too_early(log: WatchLog, draw: Random) -> None:
    at = _place(log, draw)
    log.batches[at] = (log.batches[at][0], log.batches[at + 1][1])


def _backwards(log: WatchLog, draw: Random) -> None:
    at = _place(log, draw)
    log.batches[at] = (log.batches[at][0], log.batches[at][1] - 1)


def _replayed(log: WatchLog, draw: Random) -> None:
    log.since = log.batches[_place(log, draw)][0][0].revision


def _changed(log: WatchLog, draw: Random, change: Callable[[Change], Change]) -> None:
    at = _place(log, draw)
    batch, reached = log.batches[at]
    log.batches[at] = ([change(batch[0]), *batch[1:]], reached)


def _invented(log: WatchLog, draw: Random) -> None:
    def invent(c: Change) -> Change:
        return Change(c.key, c.revision, Record(c.key, b"?", c.revision, c.revision), c.previous)

    _changed(log, draw, invent)


def _wrong_previous(log: WatchLog, draw: Random) -> None:
    def wrong(c: Change) -> Change:
        before = None if c.previous else Record(c.key, b"?", 1, 1)
        return Change(c.key, c.revision, c.record, before)

    _changed(log, draw, wrong)


def _elsewhere(log: WatchLog, draw: Random) -> None:
    log.prefix = "/h/0/"


PLANTS: dict[str, tuple[Plant, ...]] = {
    "complete": (_missing,),
    "unique": (_twice,),
    "ordered": (_swapped,),
    "atomic": (_split,),
    "bookmarkable": (_too_early, _backwards, _split),
    "resumable": (_replayed,),
    "true": (_invented, _wrong_previous, _elsewhere),
}


def _copied(log: WatchLog) -> WatchLog:
    return replace(log, batches=list(log.batches))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alone", [True, False])
def test_planted_faults_of_watches_are_named(seed: int, alone: bool) -> None:
    """Whether it is the only watch, or others tell the story as it was."""
    _, honest = _loaded(Slow, seed)
    whole = max(range(len(honest.logs)), key=lambda at: len(honest.logs[at].batches))
    assert watches.violations(honest) == []
    for name, plants in PLANTS.items():
        for plant in plants:
            history = copy.copy(honest)
            log = _copied(honest.logs[whole])
            history.logs = [log, *([] if alone else map(_copied, honest.logs))]
            plant(log, Random(seed))
            complaints = {text.partition(":")[0] for text in watches.violations(history)}
            assert name in complaints, plant.__name__


def test_wrong_lists_and_old_reads_are_found() -> None:
    _, history = _loaded(Slow, 1)
    page = next(
        call for call in history.calls if isinstance(call.result, Page) and call.result.records
    )
    page.result = Page(page.result.records[1:], page.result.revision)
    old = next(call for call in history.calls if call.revision and isinstance(call.result, Record))
    old.result = None
    assert len(watches.violations(history)) == 2
