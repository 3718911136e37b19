# SPDX-License-Identifier: Apache-2.0
"""Both embedded drivers under the common suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store
from pybernetes.testing.store import StoreSuite


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
