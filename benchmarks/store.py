# SPDX-License-Identifier: Apache-2.0
"""How fast the stores are: durable writes, listing, forks. `python benchmarks/store.py [directory]`.

The directory decides which disk is measured (default: a temporary one). Values are 1 KB.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op, Store

VALUE = b"x" * 1024
SECONDS = 3.0


def say(what: str, text: str) -> None:
    print(f"{what:<34}{text}")


async def write(store: Store, writers: int) -> None:
    """Every writer creates one object after the other, each acknowledged before the next."""
    taken: list[float] = []
    end = time.perf_counter() + SECONDS

    async def writer(name: int) -> None:
        index = 0
        while (begun := time.perf_counter()) < end:
            key = f"/registry/pods/w{writers}-{name}/p{index}"
            await store.write([Op(key, VALUE, expected=0)])
            taken.append(time.perf_counter() - begun)
            index += 1

    async with TaskGroup("writers") as group:
        for name in range(writers):
            group.start(writer(name), str(name))
    taken.sort()
    p50, p99 = (taken[int(len(taken) * part)] * 1000 for part in (0.5, 0.99))
    rate = len(taken) / SECONDS
    say(
        f"{type(store).__name__}, {writers} writers",
        f"{rate:9,.0f} writes/s  p50 {p50:.2f} ms  p99 {p99:.2f} ms",
    )


async def fill_and_list(store: Store) -> None:
    for index in range(100):
        await store.write(
            [Op(f"/registry/nodes/{index}-{item}", VALUE, expected=0) for item in range(100)]
        )
    begun = time.perf_counter()
    page = await store.list("/registry/nodes/")
    took = (time.perf_counter() - begun) * 1000
    assert len(page.records) == 10_000
    say(f"{type(store).__name__}, list 10,000", f"{took:9.1f} ms")


async def main(directory: Path) -> None:
    durable = await SqliteStore.open(Env(), SqliteConfig(directory / "store.db"))
    await fill_and_list(durable)
    for writers in (1, 100, 400):
        await write(durable, writers)
    await durable.close()
    memory = MemoryStore(Env())
    await fill_and_list(memory)
    begun = time.perf_counter()
    fork = memory.fork()
    say("MemoryStore, fork of 10,000", f"{(time.perf_counter() - begun) * 1000:9.2f} ms")
    await fork.close()
    for writers in (1, 100):
        await write(memory, writers)
    await memory.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        asyncio.run(main(Path(made)))
