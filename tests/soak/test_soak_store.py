# SPDX-License-Identifier: Apache-2.0
"""The store for minutes: histories with faults over every driver, crashes, memory, the file's size."""

import asyncio
import itertools
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op
from tests.storage.crashing import Tally
from tests.storage.etcds import Member, three
from tests.storage.faults import TOP, FaultyDisk
from tests.storage.test_storage_crashes import (
    CRASHING,
    FAULTS,
    Child,
    cuts,
    faulty_history,
    faulty_round,
    kills,
    power_cut,
    written_and_killed,
)
from tests.storage.workload import Fault, Load, Verdict, compaction, run

pytestmark = pytest.mark.soak
Share = Callable[[float], float]
Tell = Callable[..., None]
SLICE = 20.0  # seconds of one history: judging takes memory


async def histories(
    load: Callable[[Random], Load], faults: list[Fault], seconds: float, between: float = 0.1
) -> list[Verdict]:
    """One history after another, each judged."""
    verdicts: list[Verdict] = []
    end = time.monotonic() + seconds
    while not verdicts or time.monotonic() < end - SLICE / 2:
        took = min(SLICE, end - time.monotonic())
        one = load(Random(len(verdicts)))
        verdicts.append(await run(one, faults, max(2.0, took), between))
        assert not verdicts[-1].violations, verdicts[-1].violations[:5]
        assert verdicts[-1].operations > 100 * verdicts[-1].seconds
    return verdicts


def summed(verdicts: list[Verdict]) -> str:
    total = Verdict(
        sum(v.seconds for v in verdicts),
        sum(v.operations for v in verdicts),
        sum(v.refused for v in verdicts),
        sum(v.faults for v in verdicts),
        sum(v.changes for v in verdicts),
        [text for v in verdicts for text in v.violations],
    )
    return f"{len(verdicts)} histories: {total}"


async def test_memory(share: Share, tell: Tell) -> None:
    env = Env()
    tell(summed(await histories(lambda d: Load(MemoryStore(env), d), [compaction], share(0.04))))


async def test_sqlite(share: Share, tell: Tell, tmp_path: Path) -> None:
    env = Env()
    config = SqliteConfig(tmp_path / "store.db")
    store = await SqliteStore.open(env, config)

    async def reopen(load: Load) -> None:
        nonlocal store
        await load.store.close()
        store = load.store = await SqliteStore.open(env, config)

    def load(draw: Random) -> Load:
        return Load(store, draw)

    tell(summed(await histories(load, [compaction, reopen], share(0.08))))
    await store.close()
    env.offload.close()


async def test_etcd(share: Share, tell: Tell, tmp_path: Path) -> None:
    """Three members, one of them killed or hung at any time, often the leader."""
    members: list[Member] = three(tmp_path)
    env = Env()

    async def lost(load: Load) -> None:
        member = load.draw.choice(members)
        member.kill()
        await asyncio.sleep(load.draw.uniform(0, 1))
        member.start(wait=False)
        await asyncio.sleep(1)

    async def hung(load: Load) -> None:
        member = load.draw.choice(members)
        member.pause()
        await asyncio.sleep(load.draw.uniform(0, 2))
        member.resume()

    urls = tuple(member.url for member in members)
    try:
        store = await EtcdStore.open(env, EtcdConfig(urls, prefix="/e/", root="/"))
        faults = [compaction, lost, hung]
        tell(summed(await histories(lambda d: Load(store, d), faults, share(0.1), between=0.5)))
        await store.close()
    finally:
        for member in members:
            member.kill()
        env.offload.close()


def test_histories_over_a_failing_disk(share: Share, tell: Tell, tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path)
    end = time.monotonic() + share(0.07)
    seed = 0
    while seed == 0 or time.monotonic() < end:
        tell(faulty_history(disk, min(SLICE, max(2.0, end - time.monotonic())), seed))
        disk.cut_power(random.Random(seed))  # a fresh start, on what is left
        seed += 1
    tell(disk.injected, "faults injected")


def test_kill_minus_nine_1000_times_under_100_writers(
    share: Share, tell: Tell, tmp_path: Path
) -> None:
    tell(kills(tmp_path / "store.db", 1000, seed=7, minutes=share(0.35) / 60))


def test_power_cuts_and_failing_disks(share: Share, tell: Tell, tmp_path: Path) -> None:
    disk, tally, draw = FaultyDisk(tmp_path), Tally(), random.Random(11)
    end = time.monotonic() + share(0.12)
    while tally.rounds < 8 or time.monotonic() < end:
        fault = draw.choice(["", *FAULTS])
        if fault:
            faulty_round(disk, tally, draw, fault)
        else:
            power_cut(disk, tally, draw)
        assert not tally.violations, tally.violations[:5]
    tally.hear(Child(disk.start(CRASHING, "1"), "at ").kill())
    assert not tally.violations, tally.violations[:5]
    tell(f"{tally}, {disk.injected} faults injected, a power cut each time")


async def test_the_log_cut_at_every_512_bytes(share: Share, tell: Tell, tmp_path: Path) -> None:
    end = time.monotonic() + share(0.04)
    logs = reached = 0
    while logs == 0 or time.monotonic() < end:
        path = tmp_path / f"{logs}" / "store.db"
        await asyncio.to_thread(written_and_killed, path, 3, 0.2)
        reached += await cuts(path, 512 << 10)
        logs += 1
    tell(
        f"{logs} logs cut at every 512 bytes of their last 512 KB, {reached} revisions reached, violations 0"
    )


GROWTH = """
import asyncio, re, sys
from pathlib import Path
from pybernetes.base.env import Env
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op
from pybernetes.storage.types import Op

def resident():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

async def main():
    store = await SqliteStore.open(Env(), SqliteConfig(Path(sys.argv[1])))
    for part in range(int(sys.argv[2])):
        for first in range(0, 100_000, 500):
            ops = [Op(f"/{part}/{first + i}", b"x" * 1000) for i in range(500)]
            await asyncio.gather(*(store.write(ops[at:at + 5]) for at in range(0, 500, 5)))
        page = await store.list(f"/{part}/", limit=500)
        del page
        print(round(resident(), 1), flush=True)
    await store.close()

asyncio.run(main())
"""


def test_memory_does_not_grow_with_what_is_stored(share: Share, tell: Tell, tmp_path: Path) -> None:
    """At most 20 MB for each 100,000 objects of 1 KB, once the caches are full."""
    parts = 3 if share(1) > 120 else 2
    command = [sys.executable, "-c", GROWTH, str(tmp_path / "store.db"), str(parts)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=True)
    sizes = [float(line) for line in done.stdout.split()]
    growths = [round(after - before, 1) for before, after in itertools.pairwise(sizes)]
    tell(f"resident MB after each 100,000 objects: {sizes}, growth {growths}")
    assert max(growths) <= 20


async def test_the_file_does_not_grow_for_ever(share: Share, tell: Tell, tmp_path: Path) -> None:
    """Updates of 1,000 keys of 10 KB, with compaction: the file stays below 3 times what is live."""
    env = Env()
    path = tmp_path / "store.db"
    store = await SqliteStore.open(env, SqliteConfig(path))
    end = time.monotonic() + share(0.04)
    updates = 0
    live = 1000 * 10_000
    while updates < 10_000 or time.monotonic() < end:
        for first in range(0, 1000, 100):
            names = range(first, first + 100)
            value = str(updates).encode() * 10_000
            writes = [store.write([Op(f"/{name}", value[:10_000])]) for name in names]
            await asyncio.gather(*writes)
        updates += 1000
        await store.compact(store.revision)
    async with asyncio.timeout(30):
        while store._writer._swept < store.floor or store._writer._vacuum:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    tell(f"{updates} updates: file {size / 1e6:.1f} MB, live {live / 1e6:.1f} MB")
    assert size <= 3 * live
    await store.close()
    env.offload.close()
