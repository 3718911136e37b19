# SPDX-License-Identifier: Apache-2.0
"""Concurrent clients, watches and faults over a store, recorded and judged: the suite of histories.

Folders of a few keys (`/h/3/b`): each client reads, lists, creates, updates, deletes, lets keys expire
and makes transactions of several keys within a folder, and gives up on some writes. One watch sees
everything and is resumed where it broke off, others come and go.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.types import Compacted, Conflict, NoSpace, Op, Store, Unavailable
from pybernetes.testing.stores import linearizability, watches
from pybernetes.testing.stores.driver import Driver
from pybernetes.testing.stores.recording import Client, History, WatchLog

ROOT = "/h/"
FOLDERS = 12
KEYS = "abcd"
CLIENTS = 8
LEAST = 100  # operations each second that must be kept up while there are faults


@dataclass
class Load:
    """`store` is what the clients use; a fault may replace it."""

    store: Store
    draw: Random
    pause: float = 0.002  # between a client's calls, seconds, on average
    history: History = field(default_factory=History)
    operations: int = 0
    refused: int = 0
    faults: int = 0
    everything: WatchLog = field(default_factory=lambda: WatchLog(ROOT, 0))
    begun: int = 0  # the revision before all this
    ended: bool = False
    known: dict[str, int] = field(default_factory=dict)  # revisions, perhaps old ones
    reopen: Callable[[], Awaitable[Store]] | None = None  # for `reopening`

    async def client(self, number: int) -> None:
        client = Client(self.history, lambda: self.store)
        draw = self.draw.child(f"client {number}")
        while not self.ended:
            try:
                patience = 0.001 * draw.below(4) if draw.below(20) == 0 else 10
                async with asyncio.timeout(patience):
                    await self._call(client, draw, f"{number}.{self.operations}")
            except (Conflict, Compacted, TimeoutError):
                pass
            except (NoSpace, Unavailable):
                self.refused += 1
                await asyncio.sleep(0.002)
            self.operations += 1
            await asyncio.sleep(self.pause * draw.uniform(0, 2))

    async def _call(self, client: Client, draw: Random, value: str) -> None:
        what = draw.below(20)
        folder = f"{ROOT}{draw.below(FOLDERS)}/"
        key = folder + draw.choice(KEYS)
        if what < 5:
            record = await client.get(key)
            self.known[key] = record.revision if record else 0
        elif what < 8:
            page = await client.list(folder)
            self.known.update({folder + name: 0 for name in KEYS})
            self.known.update({record.key: record.revision for record in page.records})
        elif what == 8:
            await client.list(ROOT)
        elif what == 9:
            revision = max(self.begun, self.everything.claimed - draw.below(30))
            await (client.get(key, revision) if draw.below(2) else client.list(folder, revision))
        elif what == 10:
            key = f"{folder}short{draw.below(6)}"
            expected = draw.choice([0, 0, 0, None])
            ttl = draw.choice([0, 1, 1, 1, 2])
            await client.write([Op(key, value.encode(), expected, ttl)])
        else:
            await self._write(client, draw, folder, value)

    async def _write(self, client: Client, draw: Random, folder: str, value: str) -> None:
        size = 1 if draw.below(3) else 2 + draw.below(3)
        ops = []
        for name in sorted({draw.choice(KEYS) for _ in range(size)}):
            key = folder + name
            known = self.known.get(key, 0)
            if draw.below(10) == 0:
                ops.append(Op(key, value.encode()))  # whatever is there
            elif known and draw.below(4) == 0:
                ops.append(Op(key, None, known))
            else:
                ops.append(Op(key, value.encode(), known))
        try:
            revision = await client.write(ops)
        except Conflict as conflict:
            self.known[conflict.key] = conflict.current.revision if conflict.current else 0
            raise
        self.known.update({op.key: 0 if op.value is None else revision for op in ops})

    async def watch_everything(self) -> None:
        while True:
            log = self.everything = WatchLog(ROOT, self.everything.claimed)
            with contextlib.suppress(Unavailable):
                await self.history.follow(self.store.watch(log.prefix, log.since), log)
            await asyncio.sleep(0.002)

    async def watch_now_and_then(self, number: int) -> None:
        """Watches of one group from some revision on, broken off and resumed or begun elsewhere."""
        draw = self.draw.child(f"watch {number}")
        log = WatchLog(f"{ROOT}{number}/", self.begun)
        while not self.ended:
            since = log.claimed if draw.below(3) else self.everything.claimed - draw.below(50)
            log = WatchLog(log.prefix, max(since, self.begun))
            watch = self.store.watch(log.prefix, log.since)
            with contextlib.suppress(TimeoutError, Unavailable, Compacted):
                async with asyncio.timeout(0.05 * draw.below(6)):
                    await self.history.follow(watch, log)
            watch.close()
            await asyncio.sleep(0.002)


Fault = Callable[[Load], Awaitable[None]]


async def compaction(load: Load) -> None:
    """Of all but the last few revisions: a fault for every driver."""
    behind = min(load.everything.claimed, load.store.revision) - 20
    if behind > load.store.floor:
        await load.store.compact(behind)


async def reopening(load: Load) -> None:
    """For drivers that keep what they are told."""
    assert load.reopen is not None
    await load.store.close()
    load.store = await load.reopen()


@dataclass(frozen=True)
class Verdict:
    seconds: float
    operations: int
    refused: int
    faults: int
    changes: int
    violations: list[str]
    expired: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def check(self) -> None:
        """Fail unless everything was right and enough was done meanwhile."""
        assert not self.violations, self.violations[:5]
        assert self.operations >= LEAST * self.seconds, str(self)

    def __str__(self) -> str:
        return (
            f"{self.operations} operations in {self.seconds:.1f} s "
            f"({self.operations / self.seconds:.0f}/s, {self.refused} refused), "
            f"{self.changes} changes watched, {self.expired} keys expired, {self.faults} faults, "
            f"violations {len(self.violations)}"
        )


async def run(load: Load, faults: Sequence[Fault], seconds: float, between: float = 0.1) -> Verdict:
    """Load the store for so long, with one of `faults` every `between` seconds or so; judge it."""
    there = await load.store.list(ROOT)
    load.begun = await load.store.write([Op(record.key, None) for record in there.records])
    load.everything = WatchLog(ROOT, load.begun)
    now = asyncio.get_running_loop().time
    begun = now()
    async with TaskGroup("load") as group:
        everything = group.start(load.watch_everything(), "watch of everything")
        async with TaskGroup("clients") as clients:
            for number in range(CLIENTS):
                clients.start(load.client(number), f"client {number}")
            for number in range(3):
                clients.start(load.watch_now_and_then(number), f"watch {number}")
            while now() < begun + seconds:
                await asyncio.sleep(between * load.draw.uniform(0.5, 1.5))
                await load.draw.choice(faults)(load)
                load.faults += 1
            load.ended = True
        took = now() - begun
        await _last_seen(load)  # of all clients: none writes any more
        everything.cancel()
    calls = load.history.settled()
    found = linearizability.violations(calls) + watches.violations(load.history)
    changes, expired = len(load.history.story()), sum(call.ended for call in calls)
    return Verdict(took, load.operations, load.refused, load.faults, changes, found, expired)


async def _last_seen(load: Load) -> None:
    """Until the watch of everything shows a last write, and a last list was taken."""
    client = Client(load.history, lambda: load.store)
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(Unavailable, NoSpace):
                last = await client.write([Op(f"{ROOT}0/end", b"end")])
                await client.list(ROOT)
                break
            await asyncio.sleep(0.05)
        while load.everything.claimed < last:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class HistorySuite(Driver):
    """Records and judges for `seconds`, with one of `faults` every `between` seconds or so."""

    seconds = 3.0
    between = 0.1

    def faults(self) -> Sequence[Fault]:
        """What may happen to the store while it is used."""
        return [compaction]

    async def history(
        self, folder: Path, seconds: float, seed: int, faults: Sequence[Fault] = ()
    ) -> Verdict:
        """Of the store in `folder`, which may be in use for some time."""
        env = Env()
        try:
            load = Load(await self.open(env, folder), Random(seed))
            load.reopen = lambda: self.open(env, folder)
            try:
                return await run(load, faults or self.faults(), seconds, self.between)
            finally:
                await load.store.close()
        finally:
            env.offload.close()

    async def test_histories_are_linearizable_and_watched_whole(self, tmp_path: Path) -> None:
        verdict = await self.history(tmp_path, self.seconds, 1)
        print(verdict)
        verdict.check()
        assert verdict.faults > 0
        assert verdict.changes > 100
        assert verdict.expired > 0
