# SPDX-License-Identifier: Apache-2.0
"""Eight clients, watches and faults: every driver's histories are linearizable, its watches complete."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from tests.storage.etcds import Member, three
from tests.storage.workload import Load, Verdict, compaction, run

SECONDS = 2.0


def _sound(verdict: Verdict, faults: int = 10) -> None:
    print(verdict)
    assert not verdict.violations, verdict.violations[:5]
    assert verdict.operations >= 100 * verdict.seconds
    assert verdict.faults > faults
    assert verdict.changes > 100


async def _full(load: Load) -> None:
    """No room for a moment."""
    assert isinstance(load.store, MemoryStore)
    load.store._quota = 1
    await asyncio.sleep(0.02)
    load.store._quota = 0


async def test_memory() -> None:
    verdict = await run(Load(MemoryStore(Env()), Random(1)), [compaction, _full], SECONDS)
    _sound(verdict)
    assert verdict.refused > 0


async def test_sqlite(tmp_path: Path) -> None:
    env = Env()
    config = SqliteConfig(tmp_path / "store.db")

    async def reopen(load: Load) -> None:
        await load.store.close()
        load.store = await SqliteStore.open(env, config)

    load = Load(await SqliteStore.open(env, config), Random(2))
    try:
        _sound(await run(load, [compaction, reopen], SECONDS))
    finally:
        await load.store.close()
        env.offload.close()


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Member]]:
    members = three(tmp_path)
    yield members
    for member in members:
        member.kill()


async def test_etcd(members: list[Member]) -> None:
    """Members are killed (the leader, too) and hang, one at a time."""
    env = Env()

    async def lost(load: Load) -> None:
        member = load.draw.choice(members)
        member.kill()
        await asyncio.sleep(0.3)
        member.start(wait=False)
        await asyncio.sleep(0.7)

    async def hung(load: Load) -> None:
        member = load.draw.choice(members)
        member.pause()
        await asyncio.sleep(0.3)
        member.resume()

    urls = tuple(member.url for member in members)
    store = await EtcdStore.open(env, EtcdConfig(urls, prefix="/e/", root="/"))
    load = Load(store, Random(3))
    try:
        _sound(await run(load, [compaction, lost, hung], 6), faults=3)
    finally:
        await store.close()
        env.offload.close()
