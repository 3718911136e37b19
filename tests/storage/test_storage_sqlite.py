# SPDX-License-Identifier: Apache-2.0
"""The SQLite store as a file: owners, formats, damage, full disks, compaction on disk, a busy loop."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import gather_ordered
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore, queries, schema
from pybernetes.storage.types import NoSpace, Op, Record, StoreError, Unavailable
from pybernetes.testing.stores import changes_until, keys_of


@contextlib.asynccontextmanager
async def opened(path: Path, quota: int = 0) -> AsyncIterator[SqliteStore]:
    env = Env()
    try:
        store = await SqliteStore.open(env, SqliteConfig(path, quota))
        yield store
        await store.close()
    finally:
        env.offload.close()


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _bytes(path: Path) -> int:
    return path.stat().st_size


async def _rested(store: SqliteStore) -> None:
    """Until the writer has swept and vacuumed."""
    writer = store._writer
    for _ in range(400):
        await asyncio.sleep(0.05)
        if writer._swept == writer.floor and not writer._vacuum:
            return
    raise TimeoutError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.db"


async def test_everything_is_there_after_reopening(path: Path) -> None:
    async with opened(path) as store:
        one = await store.write([Op("/a", b"1")])
        two = await store.write([Op("/a", b"2"), Op("/b", b"1", ttl=3600)])
        await store.write([Op("/b", None)])
    async with opened(path) as store:
        assert store.revision == two + 1
        assert await store.get("/a", one) == Record("/a", b"1", one, one)
        story = await changes_until(store.watch("/", one), store.revision)
        assert [(c.key, c.revision) for c in story] == [("/a", two), ("/b", two), ("/b", two + 1)]
    assert _mode(path) == 0o600


async def test_revisions_never_go_back(path: Path) -> None:
    """Even when the newest write was a deletion that compaction has swept away."""
    async with opened(path) as store:
        await store.write([Op("/a", b"1")])
        last = await store.write([Op("/a", None)])
        await store.compact(last)
    async with opened(path) as store:
        assert (store.revision, store.floor) == (last, last)
        assert await store.write([Op("/a", b"1", expected=0)]) == last + 1


async def test_one_owner(path: Path) -> None:
    async with opened(path) as store:
        with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}$"):
            async with opened(path):
                pass
        await store.write([Op("/a", b"1")])
    async with opened(path) as store:
        assert await keys_of(store, "/") == ["/a"]


async def test_a_file_whose_making_was_interrupted_is_made_again(path: Path) -> None:
    path.parent.mkdir()
    half = path.with_name("half.db")
    connection = sqlite3.connect(half, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")  # so pages reach the file before the commit
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE log (value)")
    connection.executemany("INSERT INTO log VALUES (zeroblob(?))", [(3000,)] * 100)
    for ending in ("", "-journal"):
        shutil.copy(f"{half}{ending}", f"{path}{ending}")
    connection.close()
    assert _bytes(path) > 0
    async with opened(path) as store:
        await store.write([Op("/a", b"1")])
    assert _mode(path) == 0o600


async def test_a_newer_format_is_refused_by_name(path: Path) -> None:
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has format 99, and this Pybernetes knows formats up to"):
        async with opened(path):
            pass


async def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="is not a Pybernetes store"):
        async with opened(other):
            pass
    (tmp_path / "text").write_bytes(b"hello" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        async with opened(tmp_path / "text"):
            pass


async def test_damage_is_found_at_open(path: Path) -> None:
    async with opened(path) as store:
        for index in range(50):
            await store.write([Op(f"/{index}", b"x" * 1000)])
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096 * 4)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        async with opened(path):
            pass


async def test_a_large_file_is_checked_while_it_is_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pybernetes.storage.sqlite.schema.CHECKED_AT_OPEN", 0)
    async with opened(path) as store:
        for index in range(500):
            await store.write([Op(f"/{index}", b"x" * 1000)])
    async with opened(path) as store:
        assert store._audit is not None
        await store._audit
        await store.write([Op("/0", b"y")])
    async with opened(path):
        pass  # closed while it is checked
    with path.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xa5" * 4096 * 40)
    async with opened(path) as store:
        watch = store.watch("/", store.revision)
        with pytest.raises(Unavailable, match=r"damaged|malformed"):
            await anext(aiter(watch))
        with pytest.raises(Unavailable, match=r"damaged|malformed"):
            await store.get("/0")
        with pytest.raises(Unavailable, match=r"damaged|malformed"):
            await store.write([Op("/0", b"y")])


async def test_long_values_among_short_ones(path: Path) -> None:
    async with opened(path) as store:
        sizes = [0, 1, 8191, 8192, 8193, 100_000, 5, 8193]
        for index, size in enumerate(sizes):
            await store.write([Op(f"/{index}", bytes([index]) * size)])
        await store.write([Op("/1", None)])
        records = (await store.list("/")).records
        assert [(r.key, r.value) for r in records] == [
            (f"/{index}", bytes([index]) * size) for index, size in enumerate(sizes) if index != 1
        ]


async def test_a_full_disk_refuses_writes_and_recovers(path: Path) -> None:
    async with opened(path) as store:
        await store.write([Op("/a", b"1")])
        connection = store._writer._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 10}").fetchall()
        before = store.revision
        with pytest.raises(NoSpace, match="full"):
            await store.write([Op("/big", b"x" * 100_000)])
        assert (store.revision, await keys_of(store, "/")) == (before, ["/a"])
        await store.write([Op("/a", None)])
        connection.execute("PRAGMA max_page_count = 1000000").fetchall()
        await store.write([Op("/big", b"x" * 100_000)])
        assert await keys_of(store, "/") == ["/big"]


async def test_an_io_error_is_unavailable_and_passes(path: Path) -> None:
    async with opened(path) as store:
        await store.write([Op("/a", b"1")])
        connection = store._writer._connection
        connection.execute("PRAGMA query_only = 1")
        with pytest.raises(Unavailable, match="readonly"):
            await store.write([Op("/a", b"2")])
        connection.execute("PRAGMA query_only = 0")
        watch = store.watch("/", store.revision)
        at = await store.write([Op("/a", b"3")])
        assert [change.revision for change in await changes_until(watch, at)] == [at]


async def test_the_quota_refuses_growth_not_deletion(path: Path) -> None:
    async with opened(path, quota=4 << 20) as store:
        for index in range(30):
            await store.write([Op(f"/{index}", b"x" * 100_000)])
        await gather_ordered([store.write([Op("/same", b"x" * 600_000)]) for _ in range(2)])
        with pytest.raises(NoSpace, match="quota"):
            await store.write([Op("/more", b"1")])
        for index in range(30):
            await store.write([Op(f"/{index}", None)])
        await store.compact(store.revision)
        await _rested(store)
        await store.write([Op("/again", b"x" * 100_000)])


async def test_compaction_gives_the_disk_back(path: Path) -> None:
    async with opened(path) as store:
        for index in range(100):
            await store.write([Op("/same", bytes([index]) * 200_000)])
        before = await store.size()
        await store.compact(store.revision)
        await _rested(store)
        assert await store.size() < before / 10
        record = await store.get("/same")
        assert record is not None
        assert record.value == bytes([99]) * 200_000
    assert _bytes(path) < before / 10


def test_vacuum_gives_many_pages_back_in_one_step(path: Path) -> None:
    path.parent.mkdir()
    connection = schema.open_writer(path)
    queries.insert(connection, [(schema.first_id(2), "/a", bytes(400_000), 2, None)])
    connection.execute("DELETE FROM log")
    free = queries.free_pages(connection)
    queries.vacuum(connection, 50)
    assert free > 90
    assert queries.free_pages(connection) <= free - 50
    connection.close()


async def test_time_to_live_goes_on_after_reopening(path: Path) -> None:
    async with opened(path) as store:
        await store.write([Op("/short", b"1", ttl=1), Op("/long", b"1", ttl=3600)])
    await asyncio.sleep(1)
    async with opened(path) as store:
        story = await changes_until(store.watch("/", store.revision), store.revision + 1)
        assert [(change.key, change.record) for change in story] == [("/short", None)]


async def test_what_the_disk_refused_to_expire_goes_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pybernetes.storage.sqlite.driver.RETRY", 0.1)
    async with opened(path) as store:
        await store.write([Op("/short", b"1", ttl=1)])
        connection = store._writer._connection
        connection.execute("PRAGMA query_only = 1")
        await asyncio.sleep(1.3)
        assert await keys_of(store, "/") == ["/short"]
        connection.execute("PRAGMA query_only = 0")
        await changes_until(store.watch("/", store.revision), store.revision + 1)
        assert await keys_of(store, "/") == []


async def test_closing_goes_on_when_its_caller_gives_up(path: Path) -> None:
    env = Env()
    store = await SqliteStore.open(env, SqliteConfig(path))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await store.close()
    await store.close()
    async with opened(path):
        pass  # its lock is free
    env.offload.close()


async def test_snapshots_pass_between_drivers(path: Path, tmp_path: Path) -> None:
    memory = MemoryStore(Env())
    at = await memory.write([Op("/a", b"\0"), Op("/b", b"2", ttl=1000)])
    await memory.write([Op("/gone", b"1")])
    await memory.write([Op("/gone", None)])
    await memory.snapshot(str(path.parent))
    async with opened(path.parent) as store:
        assert (store.revision, store.floor) == (memory.revision, memory.revision)
        assert await store.get("/a") == Record("/a", b"\0", at, at)
        assert await keys_of(store, "/") == ["/a", "/b"]
        assert len(store._expiry.deadlines()) == 1
        await store.write([Op("/c", b"3", expected=0)])
        await store.snapshot(str(tmp_path / "back"))
    back = await MemoryStore.restore(Env(), str(tmp_path / "back"))
    assert await keys_of(back, "/") == ["/a", "/b", "/c"]
    assert back.revision == memory.revision + 1
    await back.close()


async def test_a_busy_loop_neither_stalls_nor_starves_the_store(path: Path) -> None:
    """The writer's thread needs the interpreter only a few times a batch (see queries.py)."""
    async with opened(path) as store:
        await gather_ordered([store.write([Op(f"/{i:04}", b"x" * 1000)]) for i in range(2000)])

        async def burn() -> float:
            worst = 0.0
            while busy:
                begun = time.perf_counter()
                sum(range(20_000))
                await asyncio.sleep(0)
                worst = max(worst, time.perf_counter() - begun)
            return worst

        stalls: list[float] = []
        for _ in range(3):  # the machine may stall one of them
            busy = True
            burner = asyncio.get_running_loop().create_task(burn())
            begun = time.perf_counter()
            await gather_ordered([store.write([Op(f"/{i:04}", b"y" * 1000)]) for i in range(1000)])
            page = await store.list("/")
            took = time.perf_counter() - begun
            busy = False
            assert len(page.records) == 2000
            assert took < 6.0  # row by row it is more than ten seconds
            stalls.append(await burner)
        assert min(stalls) < 0.25


async def test_a_write_given_up_on_still_counts(path: Path) -> None:
    async with opened(path) as store:
        task = asyncio.get_running_loop().create_task(store.write([Op("/a", b"1")]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await store.write([Op("/b", b"1")])
        assert await keys_of(store, "/") == ["/a", "/b"]


def test_not_on_virtual_time(path: Path) -> None:
    async def main(env: Env) -> None:
        await SqliteStore.open(env, SqliteConfig(path))

    with pytest.raises(StoreError, match="virtual time"):
        virtualtime.run(main)
