# SPDX-License-Identifier: Apache-2.0
"""How the suites open a store, in the test's process and in others."""

import contextlib
import importlib
from collections.abc import AsyncIterator
from operator import attrgetter
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.storage.types import Store


class Driver:
    """The base of all suites. Override `open`; nothing else is needed.

    A `CrashSuite` makes the class anew in a process of its own, so it must be importable and
    may not rely on fixtures.
    """

    async def open(self, env: Env, folder: Path) -> Store:
        """The store in `folder`, which exists: a new one, or what was there before. Raises StoreError."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Store]:
        """The store, closed at the end."""
        env = Env()
        try:
            store = await self.open(env, folder)
            try:
                yield store
            finally:
                await store.close()
        finally:
            env.offload.close()

    @classmethod
    def name(cls) -> str:
        """What `named` finds the class by."""
        return f"{cls.__module__}:{cls.__qualname__}"


def named(name: str) -> Driver:
    """A driver of the class `MODULE:CLASS`."""
    module, _, path = name.partition(":")
    driver: Driver = attrgetter(path)(importlib.import_module(module))()
    return driver
