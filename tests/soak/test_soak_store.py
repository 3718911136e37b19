# SPDX-License-Identifier: Apache-2.0
"""The store for minutes: histories with faults over every driver, crashes, memory, the file's size."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op
from pybernetes.testing.stores import HistorySuite
from pybernetes.testing.stores.crashes import Tally
from pybernetes.testing.stores.disk import FAULTS, FaultyDisk, surroundings
from pybernetes.testing.stores.histories import Verdict
from tests.soak.conftest import MINUTES
from tests.storage.drivers import Etcds, Memory, Sqlite
from tests.storage.etcds import three
from tests.storage.test_storage_crashes import cuts, written_and_killed

Share = Callable[[float], float]
Tell = Callable[..., None]
SLICE = 20.0  # seconds of one history: judging takes memory


async def histories(suite: HistorySuite, folder: Path, seconds: float) -> str:
    """One history after another, each judged: no violation, and enough operations meanwhile."""
    verdicts: list[Verdict] = []
    for number, some in enumerate(slices(seconds)):
        verdicts.append(await suite.history(folder, some, number))
        verdicts[-1].check()
    return summed(verdicts)


def slices(seconds: float) -> Iterator[float]:
    """How many seconds one history after another takes, until `seconds` are nearly over."""
    end = time.monotonic() + seconds
    yield max(3.0, min(SLICE, seconds))
    while time.monotonic() < end - SLICE / 2:
        yield max(3.0, min(SLICE, end - time.monotonic()))


def summed(verdicts: list[Verdict]) -> str:
    slowest = min(verdict.operations / verdict.seconds for verdict in verdicts)
    total = sum(verdicts[1:], verdicts[0])
    return f"{len(verdicts)} histories, the slowest {slowest:.0f} operations/s: {total}"


async def test_memory(share: Share, tell: Tell, tmp_path: Path) -> None:
    tell(await histories(Memory(), tmp_path, share(0.03)))


async def test_sqlite(share: Share, tell: Tell, tmp_path: Path) -> None:
    tell(await histories(Sqlite(), tmp_path, share(0.07)))


async def test_etcd(share: Share, tell: Tell, tmp_path: Path) -> None:
    """Three members, one of them killed or hung at any time, often the leader."""
    suite = Etcds()
    suite.members = three(tmp_path)
    suite.between = 0.5
    try:
        tell(await histories(suite, tmp_path, share(0.11)))
    finally:
        for member in suite.members:
            member.kill()


async def test_histories_over_a_failing_disk(share: Share, tell: Tell, tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path)
    verdicts: list[Verdict] = []
    for number, some in enumerate(slices(share(0.08))):
        verdicts.append(await Sqlite().faulty_history(disk, some, number))
        verdicts[-1].check()
        disk.cut_power(Random(len(verdicts)))  # a fresh start, on what is left
    tell(f"{summed(verdicts)}, {disk.faults.injected} calls failed")


async def test_kill_minus_nine_1000_times_under_100_writers(
    share: Share, tell: Tell, tmp_path: Path
) -> None:
    tally = await Sqlite().killed(tmp_path, 1000, share(0.4), seed=7)
    tell(tally)
    tally.check()
    assert tally.rounds == 1000 or MINUTES < 10


async def test_power_cuts_and_failing_disks(share: Share, tell: Tell, tmp_path: Path) -> None:
    disk, tally, draw, suite = FaultyDisk(tmp_path), Tally(), Random(11), Sqlite()
    end = time.monotonic() + share(0.15)
    while tally.rounds < 8 or time.monotonic() < end:
        fault = draw.choice(["", *FAULTS])
        if fault:
            await suite.faulty_round(disk, tally, draw, fault)
        else:
            await suite.power_cut(disk, tally, draw)
        assert not tally.violations, tally.violations[:5]
    await suite.looked(disk, tally)
    tell(f"{tally}, {disk.faults.injected} faults injected, a power cut each time")
    tally.check()


async def test_the_log_cut_at_every_512_bytes(share: Share, tell: Tell, tmp_path: Path) -> None:
    end = time.monotonic() + share(0.06)
    logs = reached = 0
    while logs == 0 or time.monotonic() < end:
        path = tmp_path / f"{logs}" / "store.db"
        await written_and_killed(path, 3, 0.2)
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
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings(), check=True)
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
