# SPDX-License-Identifier: Apache-2.0
"""The SQLite store when things break: kill -9, cut logs, failing and full disks, power cuts.

`make soak` does the same for longer (tests/soak).
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.testing.store import changes_until
from tests.storage.crashing import Tally, killed
from tests.storage.faults import (
    ALWAYS,
    SECTOR,
    SYNC_EIO,
    TOP,
    WRITE_EIO,
    WRITE_ENOSPC,
    WRITE_SHORT,
    FaultyDisk,
)

CRASHING = "tests.storage.crashing"
SERVING = "tests.storage.serving"


def kills(path: Path, rounds: int, *, seed: int, minutes: float) -> str:
    """The report of so many kills; fails on a violation."""
    words = [str(path), str(rounds), "100", str(seed), str(minutes)]
    command = [sys.executable, "-m", CRASHING, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout.strip()


def test_kill_minus_nine_under_100_writers(tmp_path: Path) -> None:
    said = kills(tmp_path / "store.db", 15, seed=1, minutes=1.0)
    print(said)
    assert said.startswith("15 kills")
    assert " 0 acknowledged" not in said


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
    copy = path.parent / "cut" / path.name
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
    return len(reached)


def written_and_killed(path: Path, writers: int, seconds: float) -> Tally:
    command = [sys.executable, "-m", CRASHING, str(path), str(writers)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=TOP)
    assert child.stdout is not None
    tally = Tally()
    tally.hear(killed(child.pid, os.dup(child.stdout.fileno()), seconds, b"at "))
    child.stdout.close()
    child.returncode = -9
    return tally


async def test_the_log_cut_at_every_512_bytes_of_its_tail(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert written_and_killed(path, 3, 0.2).acknowledged > 10
    assert await cuts(path, 96 << 10) > 2


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path)


class Child:
    """A process whose disk fails; `said` grows while it is read."""

    def __init__(self, process: "subprocess.Popen[bytes]", begun: str) -> None:
        self.process = process
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.said = ""
        try:
            self.wait_for(begun)
        except BaseException:
            self.kill()
            raise

    def read(self) -> str:
        """What it said since it was last read."""
        assert self.process.stdout is not None
        new = (self.process.stdout.read() or b"").decode()
        self.said += new
        return new

    def wait_for(self, text: str, seconds: float = 40) -> str:
        """What it says from now on, until `text` is in it."""
        end = time.monotonic() + seconds
        new = self.read()
        while text not in new:
            assert self.process.poll() is None, self.said[-2000:]
            assert time.monotonic() < end, f"never said {text!r}: {new[-500:]}"
            time.sleep(0.01)
            new += self.read()
        return new

    def kill(self) -> str:
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.read()
        self.process.stdout.close()
        return self.said


FAULTS = {
    "sync": (SYNC_EIO, "! Unavailable"),
    "write": (WRITE_EIO, "! Unavailable"),
    "full": (WRITE_ENOSPC, "! NoSpace"),
    "short": (WRITE_SHORT, ""),
}


def faulty_round(disk: FaultyDisk, tally: Tally, draw: random.Random, fault: str) -> None:
    """Writers, a fault and its end, a power cut; nothing acknowledged may be missing afterwards."""
    which, complaint = FAULTS[fault]
    child = Child(disk.start(CRASHING, "20"), "at ")
    if draw.randrange(2):
        disk.inject(which, 1 + draw.randrange(3))
        while disk.pending(which):
            child.wait_for("\n")
    else:
        disk.inject(which, ALWAYS)
        child.wait_for(complaint or "\n")
        disk.inject(which, 0)
    child.wait_for("\n0 ")  # a writer is answered again
    time.sleep(draw.uniform(0, 0.1))
    tally.hear(child.kill())
    disk.cut_power(draw)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_disk_and_power_cuts(disk: FaultyDisk, fault: str) -> None:
    tally, draw = Tally(), random.Random(fault)
    for _ in range(3):
        faulty_round(disk, tally, draw, fault)
    assert disk.injected > 0
    tally.hear(Child(disk.start(CRASHING, "1"), "at ").kill())
    print(tally)
    assert tally.violations == []
    assert tally.verified == 4
    assert tally.acknowledged > 100


def power_cut(disk: FaultyDisk, tally: Tally, draw: random.Random) -> None:
    child = Child(disk.start(CRASHING, "100"), "at ")
    time.sleep(draw.uniform(0, 0.25))
    tally.hear(child.kill())
    disk.cut_power(draw)


def test_power_cuts(disk: FaultyDisk) -> None:
    tally, draw = Tally(), random.Random(1)
    for _ in range(6):
        power_cut(disk, tally, draw)
    tally.hear(Child(disk.start(CRASHING, "1"), "at ").kill())
    print(tally)
    assert tally.violations == []
    assert tally.acknowledged > 100


def test_a_store_that_does_not_sync_is_found_out(disk: FaultyDisk) -> None:
    """So the proofs above prove something."""
    tally, draw = Tally(), random.Random(2)
    for _ in range(2):
        child = Child(disk.start(CRASHING, "20", "careless"), "at ")
        child.wait_for("\n0 ")
        tally.hear(child.kill())
        disk.cut_power(draw, "nothing")
    assert any(text.startswith("acknowledged and lost") for text in tally.violations)


@pytest.mark.parametrize("fault", ["sync", "full"])
def test_readyz_says_that_nothing_is_acknowledged(disk: FaultyDisk, fault: str) -> None:
    """Also that it recovers without anybody writing: nobody does while it is not ready."""
    child = Child(disk.start(SERVING), "201 200 200")
    try:
        disk.inject(FAULTS[fault][0], ALWAYS)
        child.wait_for("0 500 200 [-]etcd-readiness")
        assert "201 " not in child.read()
        disk.inject(FAULTS[fault][0], 0)
        child.wait_for("201 200 200")
    finally:
        child.kill()


def faulty_history(disk: FaultyDisk, seconds: float, seed: int) -> str:
    """Eight clients and watches over a failing disk: the verdict."""
    process = disk.start("tests.storage.faulty", str(seconds), str(seed))
    said, _ = process.communicate(timeout=seconds + 60)
    assert process.returncode == 0, said.decode()
    return said.decode().strip()


def test_histories_over_a_failing_disk(disk: FaultyDisk) -> None:
    said = faulty_history(disk, 3, 1)
    print(said)
    assert disk.injected > 5
    assert "(0 refused" not in said


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


@pytest.mark.node
def test_a_full_file_system(tmp_path: Path) -> None:
    """A real one: a tmpfs of 24 MB in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=24m none {tmp_path}"
    serve = f"exec {sys.executable} -m {SERVING} {tmp_path}/store.db"
    command = ["unshare", "--mount", "sh", "-c", f"{mount} && {serve}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=TOP)
    child = Child(process, "201 200 200")
    ballast = Path(f"/proc/{process.pid}/root{tmp_path}/ballast")
    try:
        with pytest.raises(OSError, match="No space"):
            fill(ballast)
        child.wait_for("0 500 200 [-]etcd-readiness")
        time.sleep(0.5)
        assert "201 " not in child.read()
        ballast.unlink()
        child.wait_for("201 200 200")
    finally:
        child.kill()
