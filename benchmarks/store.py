# SPDX-License-Identifier: Apache-2.0
"""How fast the stores are, beside etcd 3.6 on the same disk: `python -m benchmarks.store [--long] [DIRECTORY]`.

The directory decides which disk is measured (default: a temporary one). Values are 1 KB. etcd's writes
come from its own Go client, so that ours is not what is measured. Short runs by default (a minute);
`--long` has the sizes that docs/store.md speaks of.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.figures import say
from conformance.build import ensure
from conformance.versions import HERE, cache
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, gather_ordered
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op, Store
from tests.storage.etcds import Member

VALUE = os.urandom(1024)
WRITERS = (1, 100, 400)
WATCHERS = 1000
Rates = tuple[float, float, float]  # writes a second, p50 and p99 in ms


async def write(store: Store, writers: int, seconds: float, name: str = "w") -> Rates:
    """Every writer creates one object after the other, each acknowledged before the next."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def writer(number: int) -> None:
        index = 0
        while (begun := time.perf_counter()) < end:
            key = f"/registry/pods/{name}{writers}-{number}/p{index}"
            await store.write([Op(key, VALUE, expected=0)])
            taken.append(time.perf_counter() - begun)
            index += 1

    async with TaskGroup("writers") as group:
        for number in range(writers):
            group.start(writer(number), str(number))
    taken.sort()
    p50, p99 = (taken[int(len(taken) * part)] * 1000 for part in (0.5, 0.99))
    return len(taken) / seconds, p50, p99


def go_client() -> Path:
    """The load generator over etcd's own client, built when it has changed."""
    target = cache() / "etcdload"
    source = Path(__file__).with_name("etcd") / "main.go"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("go.mod", "go.sum"):
                shutil.copy(HERE / "go/etcd" / name, folder)
            shutil.copy(source, folder)
            command = ["go", "build", "-mod=mod", "-o", str(target), "."]
            subprocess.run(command, cwd=folder, check=True)
    return target


def measured(*words: str) -> list[float]:
    """What the load generator says."""
    command = [str(go_client()), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def write_etcd(url: str, writers: int, seconds: float) -> Rates:
    rate, p50, p99 = measured(url, str(writers), str(seconds))
    return rate, p50, p99


def say_list_etcd(url: str) -> None:
    fastest, slowest = measured(url, "list", "/registry/nodes/")
    say("etcd 3.6, list 10,000 (its Go client)", f"{fastest:9.1f} ms  worst {slowest:.1f} ms")


def say_rates(what: str, rates: Rates, more: str = "") -> None:
    say(what, f"{rates[0]:9,.0f} writes/s  p50 {rates[1]:6.2f}  p99 {rates[2]:6.2f} ms{more}")


async def fill(store: Store, count: int, prefix: str = "/registry/nodes/") -> None:
    for first in range(0, count, 100):
        await store.write(
            [Op(f"{prefix}{item:07}", VALUE, expected=0) for item in range(first, first + 100)]
        )


async def say_list(store: Store) -> None:
    await fill(store, 10_000)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        page = await store.list("/registry/nodes/")
        taken.append((time.perf_counter() - begun) * 1000)
    assert len(page.records) == 10_000
    say(f"{type(store).__name__}, list 10,000", f"{min(taken):9.1f} ms  worst {max(taken):.1f} ms")


async def say_watchers(store: Store, writes: int) -> None:
    """Many watches of one prefix, each write seen by all of them."""

    async def follow(last: int) -> None:
        watch = store.watch("/registry/w/", store.revision)
        seen = 0
        async for batch in watch:
            seen += len(batch)
            if seen == last:
                return watch.close()

    begun = time.perf_counter()
    async with TaskGroup("watchers") as group:
        for index in range(WATCHERS):
            group.start(follow(writes), str(index))
        await asyncio.sleep(0)
        await gather_ordered([store.write([Op(f"/registry/w/{i}", VALUE)]) for i in range(writes)])
    took = time.perf_counter() - begun
    rate = WATCHERS * writes / took
    say(f"{type(store).__name__}, {WATCHERS:,} watchers", f"{rate:9,.0f} events/s")


def on_disk(directory: Path, names: str) -> int:
    return sum(file.stat().st_size for file in directory.glob(names))


def say_disk(directory: Path) -> None:
    """What one acknowledged write costs at least: a page at the end of a file, on the disk."""
    handle = os.open(directory / "raw", os.O_RDWR | os.O_CREAT)
    count, begun = 500, time.perf_counter()
    for index in range(count):
        os.pwrite(handle, VALUE * 4, index * 4096)
        os.fdatasync(handle)
    say("the disk: fdatasync of 4 KB", f"{count / (time.perf_counter() - begun):9,.0f}/s")
    os.close(handle)


async def say_size(directory: Path, updates: int) -> None:
    store = await SqliteStore.open(Env(), SqliteConfig(directory / "updates.db"))

    async def update(name: int) -> None:
        for _ in range(updates // 1000):
            await store.write([Op(f"/registry/u/{name}", VALUE)])

    await gather_ordered([update(name) for name in range(1000)])
    before = await store.size()
    await store.compact(store.revision)
    size, settled = 0, -1
    while size != settled:  # swept, and given back to the file system
        settled = size
        await asyncio.sleep(3)
        size = await store.size() + on_disk(directory, "updates.db")
    size = await store.size()
    await store.close()
    file = on_disk(directory, "updates.db")
    live = 1000 * len(VALUE)
    say(
        f"SqliteStore, {updates:,} updates of 1,000 keys",
        f"{before / 1e6:9.1f} MB, compacted {size / live:.1f} times the live data, file {file / live:.1f}",
    )


FILL = """
import os, sys
from pathlib import Path
import uvloop
from benchmarks.figures import pss
from benchmarks.store import fill
from pybernetes.base.env import Env
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore

async def main():
    store = await SqliteStore.open(Env(), SqliteConfig(Path(sys.argv[1])))
    await fill(store, 1000, "/warm/")
    before = pss()
    await fill(store, int(sys.argv[2]))
    print(pss() - before, flush=True)
    os.kill(os.getpid(), 9)

uvloop.run(main())
"""


def crashed(path: Path, count: int) -> float:
    """A process writes `count` objects and is killed; by how many MB it had grown."""
    command = [sys.executable, "-c", FILL, str(path), str(count)]
    return float(subprocess.run(command, capture_output=True, text=True).stdout)


async def say_crash(directory: Path, count: int) -> None:
    path = directory / "crashed.db"
    grown = crashed(path, count) * 100_000 / count
    say("SqliteStore, memory per 100,000 objects", f"{grown:9.1f} MB")
    size = on_disk(directory, "crashed.db*") / 1e6
    begun = time.perf_counter()
    store = await SqliteStore.open(Env(), SqliteConfig(path))
    assert len((await store.list("/registry/nodes/", limit=1)).records) == 1
    took = time.perf_counter() - begun
    say("SqliteStore, open after kill -9", f"{took:9.2f} s  ({size:,.0f} MB)")
    await store.close()


async def compare(directory: Path, seconds: float) -> None:
    """Writes, one store after the other on one disk; lists and watchers of the drivers."""
    ensure("etcd")
    member = Member(directory / "etcd").start()
    try:
        sqlite = await SqliteStore.open(Env(), SqliteConfig(directory / "store.db"))
        for writers in WRITERS:
            ours = await write(sqlite, writers, seconds)
            theirs = write_etcd(member.url, writers, seconds)
            more = f"  {ours[0] / theirs[0]:.1f} times etcd's"
            say_rates(f"SqliteStore, {writers} writers", ours, more)
            say_rates(f"etcd 3.6, {writers} writers (its Go client)", theirs)
        etcd = await EtcdStore.open(Env(), EtcdConfig((member.url,)))
        for writers in (1, 100):
            say_rates(f"EtcdStore, {writers} writers", await write(etcd, writers, seconds, "e"))
        memory = MemoryStore(Env())
        stores: Sequence[Store] = (sqlite, etcd, memory)
        for store in stores:
            await say_list(store)
        say_list_etcd(member.url)
        for store in stores:
            await say_watchers(store, 100)
        begun = time.perf_counter()
        fork = memory.fork()
        say("MemoryStore, fork of 10,000", f"{(time.perf_counter() - begun) * 1000:9.2f} ms")
        for store in (fork, *stores):
            await store.close()
    finally:
        member.kill()


async def main(directory: Path, long: bool) -> None:
    say_disk(directory)
    await compare(directory, 10.0 if long else 2.0)
    await say_size(directory, 1_000_000 if long else 50_000)
    await say_crash(directory, 900_000 if long else 200_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", help="on the disk to measure")
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as made:
        uvloop.run(main(Path(made), options.long))  # as the product does
