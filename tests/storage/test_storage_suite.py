# SPDX-License-Identifier: Apache-2.0
"""All drivers under the common suite: memory, SQLite, etcd 3.6 and etcd 3.4."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.storage.etcd import EtcdConfig, EtcdStore
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store
from pybernetes.testing.store import StoreSuite
from tests.storage.etcds import Member

_numbers = itertools.count()


class TestMemory(StoreSuite):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = MemoryStore(Env())
        yield store
        await store.close()


class TestSqlite(StoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        env = Env()
        store = await SqliteStore.open(env, SqliteConfig(tmp_path / "store.db"))
        yield store
        await store.close()
        env.offload.close()


async def _etcd(member: Member) -> AsyncIterator[Store]:
    env = Env()
    config = EtcdConfig((member.url,), prefix=f"/t{next(_numbers)}/", root="")
    store = await EtcdStore.open(env, config)
    yield store
    await store.close()
    env.offload.close()


class TestEtcd36(StoreSuite):
    @pytest.fixture
    async def store(self, etcd36: Member) -> AsyncIterator[Store]:
        async for store in _etcd(etcd36):
            yield store


class TestEtcd34(StoreSuite):
    @pytest.fixture
    async def store(self, etcd34: Member) -> AsyncIterator[Store]:
        async for store in _etcd(etcd34):
            yield store
