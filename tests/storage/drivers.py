# SPDX-License-Identifier: Apache-2.0
"""Our own drivers, as the suites open them."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store
from pybernetes.testing.stores import CrashSuite, HistorySuite, StoreSuite
from pybernetes.testing.stores.histories import Fault, Load, compaction
from tests.storage.etcds import Member

_numbers = itertools.count()


class Memory(StoreSuite, HistorySuite):
    async def open(self, env: Env, folder: Path) -> Store:
        return MemoryStore(env)

    def faults(self) -> Sequence[Fault]:
        return [compaction, full]


async def full(load: Load) -> None:
    """No room for a moment."""
    assert isinstance(load.store, MemoryStore)
    load.store._quota = 1
    await asyncio.sleep(0.02)
    load.store._quota = 0


class Sqlite(StoreSuite, CrashSuite):
    async def open(self, env: Env, folder: Path) -> Store:
        return await SqliteStore.open(env, SqliteConfig(folder / "store.db"))


class Careless(Sqlite):
    """Nothing is synced."""

    async def open(self, env: Env, folder: Path) -> Store:
        store = await super().open(env, folder)
        assert isinstance(store, SqliteStore)
        store._writer._connection.execute("PRAGMA synchronous = OFF")
        return store


class Etcd(StoreSuite):
    member: Member

    async def open(self, env: Env, folder: Path) -> Store:
        config = EtcdConfig((self.member.url,), prefix=f"/t{next(_numbers)}/", root="")
        return await EtcdStore.open(env, config)


class Etcds(HistorySuite):
    """Members are killed (the leader, too) and hang, one at a time."""

    members: Sequence[Member]
    seconds = 8.0

    async def open(self, env: Env, folder: Path) -> Store:
        urls = tuple(member.url for member in self.members)
        return await EtcdStore.open(env, EtcdConfig(urls, prefix="/e/", root="/"))

    def faults(self) -> Sequence[Fault]:
        return [compaction, self._lost, self._hung]

    async def _lost(self, load: Load) -> None:
        member = load.draw.choice(self.members)
        member.kill()
        await asyncio.sleep(load.draw.uniform(0, 0.6))
        member.start(wait=False)
        await asyncio.sleep(0.7)

    async def _hung(self, load: Load) -> None:
        member = load.draw.choice(self.members)
        member.pause()
        await asyncio.sleep(load.draw.uniform(0, 1))
        member.resume()
