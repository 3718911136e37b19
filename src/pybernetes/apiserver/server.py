# SPDX-License-Identifier: Apache-2.0
"""ApiServer: wires store, cache, filters, verbs and loops together. `.handler` answers requests."""

import asyncio
from collections.abc import Iterable

from pybernetes.apis.resource import Resource
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.chain import Chain
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.dispatch import Dispatcher
from pybernetes.apiserver.filters.audit import Headers
from pybernetes.apiserver.filters.identity import Authentication
from pybernetes.apiserver.resources import Resources
from pybernetes.apiserver.types import NodeDialer
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.types import Store
from pybernetes.wire.types import Handler


class ApiServer:
    """The API server.

    - `run` reads the store, writes the bootstrap objects, then follows the store until cancelled.
    - `handler` never raises; answers that need no waiting are given at once.
    - `resources` is the table of what is served; rows may be added and removed at any time.
    """

    def __init__(
        self,
        env: Env,
        config: Config,
        store: Store,
        dialer: NodeDialer | None = None,
        *,
        rows: Iterable[Resource] | None = None,
    ) -> None:
        self._env = env
        feed = Feed(store)
        self.resources = Resources(feed, config.watch_history)
        self.resources.add(*(rows or ()))
        self.core = Core(env, config, store, feed, self.resources, dialer)
        dispatcher = Dispatcher(self.core, {}, {}, [])
        filters = (Headers(env), Authentication(()))
        self._chain = Chain(filters, dispatcher.dispatch, env.clock)
        self._ready = asyncio.Event()

    @property
    def handler(self) -> Handler:
        return self._chain.handle

    async def start(self) -> None:
        """Read the store and write what every cluster has."""
        await self.core.feed.start()

    async def run(self) -> None:
        await self.start()
        async with TaskGroup("apiserver") as group:
            group.start(self.core.feed.run(), "cache")
            self._ready.set()

    async def wait_ready(self) -> None:
        """Return once requests are served."""
        await self._ready.wait()
