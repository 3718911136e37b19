# SPDX-License-Identifier: Apache-2.0
"""The SQLite store when things break, beyond the public suite of crashes: cut logs, and what /readyz says.

`make soak` does the same for longer (tests/soak).
"""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.testing.stores import changes_until
from pybernetes.testing.stores.crashes import CHILD, Tally
from pybernetes.testing.stores.disk import ALWAYS, FAULTS, SECTOR, Child, FaultyDisk
from tests.storage.drivers import Careless, Sqlite

QUICK = "/dev/shm" if os.path.isdir("/dev/shm") else None  # for copies that need not last
SERVING = ("-m", "tests.storage.serving")


def in_use(log: bytes) -> int:
    """How much of a write-ahead log is of its present turn (SQLite's documentation, "WAL format")."""
    frame = 24 + 4096
    size = 32
    while size + frame <= len(log) and log[size + 8 : size + 16] == log[16:24]:
        size += frame
    return size


async def cuts(path: Path, tail: int) -> int:
    """Cut the log of the store at `path` at every 512 bytes of its tail; to how many revisions it led.

    What is left is exactly the state at some revision, the earlier the more is cut.
    """
    wal = path.with_name(path.name + "-wal")
    main, log = await asyncio.to_thread(lambda: (path.read_bytes(), wal.read_bytes()))
    env = Env()
    store = await SqliteStore.open(env, SqliteConfig(path))
    story = await changes_until(store.watch("/", store.floor), store.revision)
    last, floor = store.revision, store.floor
    base = {r.key: r.value for r in (await store.list("/", revision=floor)).records}
    await store.close()
    reached: set[int] = set()
    end = in_use(log)
    places = range(end, max(0, end - tail) - 1, -SECTOR)
    copy = Path(tempfile.mkdtemp(dir=QUICK)) / "cut" / path.name
    for place in places:
        copy.parent.mkdir()
        copy.write_bytes(main)
        copy.with_name(wal.name).write_bytes(log[:place])
        store = await SqliteStore.open(env, SqliteConfig(copy))
        there = {r.key: r.value for r in (await store.list("/")).records}
        expected = dict(base)
        for change in story:
            if change.revision <= store.revision and change.record:
                expected[change.key] = change.record.value
        assert store.revision <= last
        assert there == expected or store.revision < floor
        last = store.revision
        reached |= {last} if last >= floor else set()
        await store.close()
        shutil.rmtree(copy.parent)
    env.offload.close()
    copy.parent.parent.rmdir()
    return len(reached)


async def written_and_killed(path: Path, writers: int, seconds: float) -> Tally:
    path.parent.mkdir(exist_ok=True)
    words = (*CHILD, Sqlite.name(), str(path.parent), "write", str(writers))
    child = await Child.start(sys.executable, *words)
    await child.wait_for("at ")
    await asyncio.sleep(seconds)
    tally = Tally()
    tally.hear(await child.kill())
    return tally


async def test_the_log_cut_at_every_512_bytes_of_its_tail(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert (await written_and_killed(path, 3, 0.2)).acknowledged > 10
    assert await cuts(path, 96 << 10) > 1


async def test_a_damaged_log_keeps_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await written_and_killed(path, 3, 0.2)
    wal = path.with_name("store.db-wal")
    log = bytearray(wal.read_bytes())
    log[in_use(log) // 2] ^= 0xFF
    wal.write_bytes(log)
    assert await cuts(path, 1 << 10) > 0


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path)


async def test_a_store_that_does_not_sync_is_found_out(disk: FaultyDisk) -> None:
    """So the suite proves something."""
    tally = Tally()
    for _ in range(3):
        await Careless().power_cut(disk, tally, Random(2), "nothing")
    assert any(text.startswith("acknowledged and lost") for text in tally.violations)


@pytest.mark.parametrize("fault", ["sync", "full"])
async def test_readyz_says_that_nothing_is_acknowledged(disk: FaultyDisk, fault: str) -> None:
    """Also that it recovers without anybody writing: nobody does while it is not ready."""
    child = await disk.start(*SERVING, str(disk.root / "store.db"))
    await child.wait_for("201 200 200")
    try:
        disk.faults.inject(FAULTS[fault][0], ALWAYS)
        await child.wait_for("0 500 200 [-]etcd-readiness")
        assert "201 " not in await child.wait_for("\n")
        disk.faults.inject(FAULTS[fault][0], 0)
        await child.wait_for("201 200 200")
    finally:
        await child.kill()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


@pytest.mark.node
async def test_a_full_file_system(tmp_path: Path) -> None:
    """A real one: a tmpfs of 24 MB in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=24m none {tmp_path}"
    serve = f"exec {sys.executable} {' '.join(SERVING)} {tmp_path}/store.db"
    command = ("unshare", "--mount", "sh", "-c", f"{mount} && {serve}")
    child = await Child.start(*command)
    await child.wait_for("201 200 200")
    ballast = Path(f"/proc/{child.process.pid}/root{tmp_path}/ballast")
    try:
        with pytest.raises(OSError, match="No space"):
            fill(ballast)
        await child.wait_for("0 500 200 [-]etcd-readiness")
        for _ in range(10):
            assert "201 " not in await child.wait_for("\n")
        await asyncio.to_thread(ballast.unlink)
        await child.wait_for("201 200 200")
    finally:
        await child.kill()
