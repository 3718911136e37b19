# SPDX-License-Identifier: Apache-2.0
"""The memory store on virtual time; forks; watches that lag or leave."""

import asyncio
import time

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.clock import Clock
from pybernetes.base.env import Env
from pybernetes.storage import hub
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import NoSpace, Op, Unavailable
from pybernetes.testing.stores import changes_until, keys_of


def test_an_hour_to_live_on_virtual_time() -> None:
    async def main(env: Env) -> float:
        store = MemoryStore(env)
        await store.write([Op("/event", b"1", ttl=3600)])
        await asyncio.sleep(3599)
        assert await keys_of(store, "/") == ["/event"]
        story = await changes_until(store.watch("/", store.revision), store.revision + 1)
        assert [change.record for change in story] == [None]
        return env.clock.monotonic()

    assert virtualtime.run(main) == 3600.0


def test_a_fork_goes_on_in_a_world_of_its_own() -> None:
    """Same records, another loop: its deadlines are kept, by its own clock."""

    async def prepare(env: Env) -> MemoryStore:
        store = MemoryStore(env)
        await store.write([Op("/event", b"1", ttl=100), Op("/pod", b"1")])
        await asyncio.sleep(50)
        return store

    template = virtualtime.run(prepare)

    async def use(env: Env) -> list[list[str]]:
        fork = template.fork(env)
        seen = [await keys_of(fork, "/")]
        await asyncio.sleep(101)
        return [*seen, await keys_of(fork, "/")]

    assert virtualtime.run(use) == virtualtime.run(use) == [["/event", "/pod"], ["/pod"]]


async def test_forking_ten_thousand_objects_takes_milliseconds() -> None:
    store = MemoryStore(Env())
    for index in range(100):
        await store.write(
            [Op(f"/registry/pods/{index}/{item}", b"x" * 1000) for item in range(100)]
        )
    best = min(_forked(store) for _ in range(5))
    assert best < 0.050


def _forked(store: MemoryStore) -> float:
    begun = time.perf_counter()
    store.fork()
    return time.perf_counter() - begun


async def test_the_quota() -> None:
    store = MemoryStore(Env(), quota=1000)
    await store.write([Op("/a", b"x" * 1000)])
    with pytest.raises(NoSpace):
        await store.write([Op("/b", b"")])
    await store.write([Op("/a", None)])
    await store.write([Op("/b", b"")])
    assert await store.size() == 2


async def test_a_watch_that_nobody_reads_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_PENDING", 10)
    store = MemoryStore(Env())
    watch = store.watch("/", store.revision)
    for _ in range(11):
        await store.write([Op("/a", b"")])
    with pytest.raises(Unavailable, match="fell behind"):
        await anext(aiter(watch))
    await store.close()


async def test_watches_of_overlapping_prefixes() -> None:
    store = MemoryStore(Env())
    start = store.revision
    watches = {prefix: store.watch(prefix, start) for prefix in ("", "/", "/a", "/a/", "/b/")}
    watches["/b/"].close()
    for key in ("/a", "/a/1", "/ab", "/b/1"):
        await store.write([Op(key, b"")])
    found = {
        prefix: [change.key for change in await changes_until(watch, store.revision)]
        for prefix, watch in watches.items()
        if prefix != "/b/"
    }
    everything = ["/a", "/a/1", "/ab", "/b/1"]
    assert found == {
        "": everything,
        "/": everything,
        "/a": ["/a", "/a/1", "/ab"],
        "/a/": ["/a/1"],
    }


class Jumping(Clock):
    """A wall clock that somebody sets."""

    jumped = 0.0

    def time(self) -> float:
        return super().time() + self.jumped


@pytest.mark.parametrize("jump", [1e6, -1e6])
async def test_setting_the_clock_neither_ends_a_time_to_live_nor_lengthens_it(jump: float) -> None:
    clock = Jumping()
    store = MemoryStore(Env(clock=clock))
    await store.write([Op("/long", b"1", ttl=60), Op("/short", b"1", ttl=1)])
    clock.jumped = jump
    await store.write([Op("/more", b"1", ttl=1)])
    await asyncio.sleep(0.5)
    assert await keys_of(store, "/") == ["/long", "/more", "/short"]
    await asyncio.sleep(0.7)
    assert await keys_of(store, "/") == ["/long"]
    await store.close()
