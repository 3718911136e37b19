# SPDX-License-Identifier: Apache-2.0
"""The suite of durable stores: processes are killed, disks fail, power is cut; nothing acknowledged is lost."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pybernetes.base.random import Random
from pybernetes.base.tasks import gather_ordered
from pybernetes.testing.stores.disk import ALWAYS, FAULTS, Child, FaultyDisk
from pybernetes.testing.stores.histories import (
    Fault,
    HistorySuite,
    Verdict,
    compaction,
    reopening,
)

CHILD = ("-m", "pybernetes.testing.stores.child")
CHAINS = 2  # of kills, each on a store of its own, at the same time


@dataclass
class Tally:
    """What killed processes said (see `child`), round after round on one store."""

    rounds: int = 0
    verified: int = 0  # rounds that opened the store and looked
    acknowledged: int = 0
    refused: int = 0
    revision: int = 0
    newest: dict[str, int] = field(default_factory=dict)  # acknowledged, by writer
    violations: list[str] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """Take in everything one process said; its last line may be torn."""
        there: dict[str, int] = {}
        self.rounds += 1
        for line in text.split("\n")[:-1]:
            match line.split():
                case ["=", name, index]:
                    there[name] = int(index)
                case ["at", revision]:
                    self._opened(there, int(revision))
                case ["half", name]:
                    self.violations.append(f"half a transaction of writer {name}")
                case ["!", _]:
                    self.refused += 1
                case [name, index]:
                    self.newest[name] = int(index)
                    self.acknowledged += 1
                case []:
                    pass
                case _:
                    self.violations.append(line)

    def _opened(self, there: dict[str, int], revision: int) -> None:
        self.verified += 1
        lost = {name: at for name, at in self.newest.items() if there.get(name, 0) < at}
        if lost:
            self.violations.append(f"acknowledged and lost: {lost}, there: {there}")
        if revision < self.revision:
            self.violations.append(f"revision {revision} after {self.revision}")
        self.revision = revision
        self.newest |= there

    def __add__(self, other: "Tally") -> "Tally":
        """Both, for their report."""
        return Tally(
            self.rounds + other.rounds,
            self.verified + other.verified,
            self.acknowledged + other.acknowledged,
            self.refused + other.refused,
            violations=self.violations + other.violations,
        )

    def check(self) -> None:
        """Fail unless something was acknowledged and all of it was found."""
        assert not self.violations, self.violations[:5]
        assert self.acknowledged > self.rounds, str(self)

    def __str__(self) -> str:
        return (
            f"{self.rounds} ends, {self.verified} verified openings, "
            f"{self.acknowledged} acknowledged writes, {self.refused} refused, "
            f"violations {len(self.violations)}"
        )


class CrashSuite(HistorySuite):
    """For a driver that keeps what it has acknowledged. Its folder's files are its own, all its state is in them."""

    rounds = 3  # of each kind of trouble

    def faults(self) -> Sequence[Fault]:
        return [compaction, reopening]

    @pytest.fixture
    def disk(self, tmp_path: Path) -> FaultyDisk:
        return FaultyDisk(tmp_path)

    async def killed(self, folder: Path, rounds: int, seconds: float = 60, seed: int = 1) -> Tally:
        """Kill so many writing processes, each under 100 writers; fewer if the time is over before."""

        async def chain(number: int) -> Tally:
            place = folder / f"chain{number}"
            place.mkdir(exist_ok=True)
            words = (str(rounds // CHAINS), "100", str(seed + number), str(seconds))
            command = (*CHILD, self.name(), str(place), "kill", *words)
            child = await Child.start(sys.executable, *command)
            said = await child.ended(seconds + 60)
            return Tally(**json.loads(said.split("\n")[-2]))

        return sum(await gather_ordered([chain(number) for number in range(CHAINS)]), Tally())

    async def test_kill_minus_nine_under_100_writers(self, tmp_path: Path) -> None:
        tally = await self.killed(tmp_path, 20)
        print(tally)
        tally.check()
        assert tally.rounds == 20

    async def writing(self, disk: FaultyDisk, writers: int) -> Child:
        """A process that has opened the store and looked."""
        child = await disk.start(*CHILD, self.name(), str(disk.root), "write", str(writers))
        await child.wait_for("at ")
        return child

    async def power_cut(self, disk: FaultyDisk, tally: Tally, draw: Random, kept: str = "") -> None:
        child = await self.writing(disk, 100)
        await asyncio.sleep(draw.uniform(0, 0.25))
        tally.hear(await child.kill())
        disk.cut_power(draw, kept)

    async def faulty_round(self, disk: FaultyDisk, tally: Tally, draw: Random, fault: str) -> None:
        """Writers, a fault and its end, a power cut."""
        which, complaint = FAULTS[fault]
        child = await self.writing(disk, 20)
        if draw.below(2):
            disk.faults.inject(which, 1 + draw.below(3))
            while disk.faults.pending(which):
                await child.wait_for("\n")
        else:
            disk.faults.inject(which, ALWAYS)
            await child.wait_for(complaint or "\n")
            disk.faults.inject(which, 0)
        await child.wait_for("\n0 ")  # a writer is answered again
        await asyncio.sleep(draw.uniform(0, 0.1))
        tally.hear(await child.kill())
        disk.cut_power(draw)

    async def looked(self, disk: FaultyDisk, tally: Tally) -> None:
        """What the last power cut has left."""
        tally.hear(await (await self.writing(disk, 1)).kill())
        print(tally)

    async def test_power_cuts(self, disk: FaultyDisk) -> None:
        tally, draw = Tally(), Random(1)
        for _ in range(2 * self.rounds):
            await self.power_cut(disk, tally, draw)
        await self.looked(disk, tally)
        tally.check()

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_faults_of_the_disk_and_power_cuts(self, disk: FaultyDisk, fault: str) -> None:
        tally, draw = Tally(), Random(fault)
        for _ in range(self.rounds):
            await self.faulty_round(disk, tally, draw, fault)
        await self.looked(disk, tally)
        tally.check()
        assert disk.faults.injected > 0

    async def faulty_history(self, disk: FaultyDisk, seconds: float, seed: int) -> Verdict:
        """Eight clients and watches while the disk fails."""
        words = (self.name(), str(disk.root), "history", str(seconds), str(seed))
        child = await disk.start(*CHILD, *words)
        return Verdict(**json.loads((await child.ended(2 * seconds + 60)).split("\n")[-2]))

    async def test_histories_over_a_failing_disk(self, disk: FaultyDisk) -> None:
        verdict = await self.faulty_history(disk, self.seconds, 1)
        print(verdict)
        verdict.check()
        assert disk.faults.injected > 5
        assert verdict.refused
