# SPDX-License-Identifier: Apache-2.0
"""Eight clients, watches and faults: every driver's histories are linearizable, its watches complete."""

from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from tests.storage.workload import Load, Verdict, compaction, run

SECONDS = 2.0


def _sound(verdict: Verdict) -> None:
    print(verdict)
    assert not verdict.violations, verdict.violations[:5]
    assert verdict.operations >= 100 * verdict.seconds
    assert verdict.faults > 10
    assert verdict.changes > 100


async def _full(load: Load) -> None:
    """No room for a moment."""
    assert isinstance(load.store, MemoryStore)
    load.store._quota = 1
    load.draw.below(1)
    await compaction(load)
    load.store._quota = 0


async def test_memory() -> None:
    _sound(await run(Load(MemoryStore(Env()), Random(1)), [compaction, _full], SECONDS))


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
