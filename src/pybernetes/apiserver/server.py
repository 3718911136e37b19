# SPDX-License-Identifier: Apache-2.0
"""ApiServer: wires store, cache, filters, verbs and loops together. `.handler` answers requests."""

import asyncio

from pybernetes.apis.catalog import builtin
from pybernetes.apiserver import security
from pybernetes.apiserver.admission import registry as admission
from pybernetes.apiserver.admission.resourcequota import ResourceQuota
from pybernetes.apiserver.bootstrap.objects import write_bootstrap
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.chain import Chain
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.dispatch import Dispatcher
from pybernetes.apiserver.endpoints.registry import endpoints
from pybernetes.apiserver.filters.audit import AuditLog
from pybernetes.apiserver.filters.registry import filters
from pybernetes.apiserver.proxying.proxying import connect_table
from pybernetes.apiserver.reading import CacheReader
from pybernetes.apiserver.resources import Resources
from pybernetes.apiserver.rest.commit import compact_forever, probe_forever
from pybernetes.apiserver.services.allocation import Allocation
from pybernetes.apiserver.services.ranges import parse as parse_ranges
from pybernetes.apiserver.services.repair import repair
from pybernetes.apiserver.subresources.registry import subresources, virtual
from pybernetes.apiserver.types import NodeDialer
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.storage.types import Store
from pybernetes.wire.types import Handler


class ApiServer:
    """The API server.

    - `run` reads the store, writes the bootstrap objects, then follows the store until cancelled.
    - `handler` never raises; answers that need no waiting are given at once.
    - `store` may be a fork of `origin`'s: then it serves at once, with the caches of `origin`.
    - `resources` is the table of what is served; rows may be added and removed at any time.
    """

    def __init__(
        self,
        env: Env,
        config: Config,
        store: Store,
        dialer: NodeDialer | None = None,
        *,
        origin: "ApiServer | None" = None,
    ) -> None:
        feed = Feed(store)
        rows = builtin().values() if origin is None else origin.resources.rows()
        self.resources: Resources = Resources(feed, config.watch_history)
        self.resources.add(*rows)
        self.core = core = Core(env, config, store, feed, self.resources, dialer)
        self.reader = CacheReader(self.resources)
        self.security = security.build(core, self.reader)
        core.check_write = self.security.escalation.check
        last = {"ResourceQuota": ResourceQuota(core)}
        core.admission = admission.build(env, self.reader, self.security.authorizer, last)
        ranges = parse_ranges(config.service_cluster_ip_range)
        self._allocation = Allocation(core, ranges)
        core.hooks["", "services"] = self._allocation.write
        connect = connect_table(core, self.reader, self.security.authorizer)
        dispatcher = Dispatcher(
            core,
            subresources(core, self.security.request_token, connect),
            virtual(self.security.reviews),
            endpoints(core, self.security, lambda: self.is_ready),
        )
        self._audit = AuditLog(config) if config.audit_log_path else None
        steps = filters(core, self.security, self._audit)
        self._chain = Chain(steps, dispatcher.dispatch, core)
        self._ready = asyncio.Event()
        if origin is not None:
            core.feed.share(origin.core.feed)
            self.reader.share(origin.reader)
            self._ready.set()

    @property
    def handler(self) -> Handler:
        return self._chain.handle

    async def start(self) -> None:
        """Read the store and write what every cluster has. `run` does this first."""
        core = self.core
        await core.feed.start()
        if await write_bootstrap(core):
            await core.feed.start()
        await repair(core, self._allocation)

    async def run(self) -> None:
        """Serve until cancelled."""
        if not self.is_ready:
            await self.start()
        core = self.core
        try:
            async with TaskGroup("apiserver") as group:
                group.start(core.feed.run(), "cache")
                interval = core.config.compaction_interval
                group.start(compact_forever(core.store, interval), "compaction")
                group.start(probe_forever(core), "probe")
                await core.feed.wait_fresh()
                self._ready.set()
        finally:
            if self._audit is not None:
                self._audit.close()

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Return once requests are served."""
        await self._ready.wait()
