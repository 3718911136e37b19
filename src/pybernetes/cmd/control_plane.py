# SPDX-License-Identifier: Apache-2.0
"""API server, controllers and scheduler in one process, talking through in-process clients."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import cached_property, partial

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.cache.entry import Event
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.inprocess import InProcess, decoder
from pybernetes.cmd.identities import ADMIN, SCHEDULER
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.manager import MANAGER, Manager, identity
from pybernetes.scheduler.binder import PODS
from pybernetes.scheduler.config import SchedulerConfig
from pybernetes.scheduler.scheduler import NODES, Scheduler
from pybernetes.storage.types import Store
from pybernetes.wire.types import Handler, Reply, Request


@dataclass(frozen=True, slots=True)
class ControlPlaneConfig:
    """The three components' own configurations."""

    api: Config = field(default_factory=Config)
    controllers: ControllersConfig = field(default_factory=ControllersConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)


class ControlPlane:
    """`run` until cancelled; `wait_ready` returns once the API serves, `wait_working` once all do.

    With `origin`, over a fork of its store: caches are shared with it. Controllers and scheduler sleep
    until `awake` is set, by the first request that changes or watches something; those that then
    have nothing to do, until something that they look at changes.
    """

    def __init__(
        self,
        env: Env,
        store: Store,
        nodes: Nodes,
        config: ControlPlaneConfig | None = None,
        *,
        origin: "ControlPlane | None" = None,
    ) -> None:
        self._config = config = config or ControlPlaneConfig()
        self._env = env
        served = origin.api if origin else None
        self.api: ApiServer = ApiServer(env, config.api, store, nodes, origin=served)
        self.handler: Handler = self.api.handler if origin is None else self._waking
        self.awake = asyncio.Event()
        self._clients: list[InProcess] = []
        self._decode = decoder()
        self.manager = Manager(env, self._controller, config.controllers)
        self._watched = Informers(env, self.client(SCHEDULER, shared=True))  # by the scheduler
        self._started = asyncio.Event()
        self._scheduling = asyncio.Event()  # there are, or were, pods to place
        if origin is None:
            self.awake.set()
        else:
            self.manager.share(origin.manager)
            self._watched.share(origin._watched)
            for serving in self.api.resources:
                if serving.stored:
                    told = partial(self._changed, serving.row.gvr[::2])
                    serving.cache.listeners.append(told)
        if origin is None or origin.has_pods_to_place:
            self._scheduling.set()

    @cached_property
    def scheduler(self) -> Scheduler:
        """Made when it is to run: it counts every pod and node that is there."""
        client = self.client(SCHEDULER)
        return Scheduler(self._env, client, self._config.scheduler, self._watched)

    @property
    def has_pods_to_place(self) -> bool:
        """True too where nobody knows yet."""
        if not self._scheduling.is_set():
            return False
        return "scheduler" not in self.__dict__ or self.scheduler.is_busy

    def _changed(self, kind: tuple[str, str], event: Event) -> None:
        goes = event.new is None or b'"deletionTimestamp"' in event.new.tail
        self.manager.changed(kind, goes=goes)
        if kind in (PODS[::2], NODES[::2]):
            self._scheduling.set()

    def _waking(self, request: Request) -> Reply | Awaitable[Reply]:
        if request.method not in ("GET", "HEAD") or "watch=" in request.query:
            self.awake.set()
            self.handler = self.api.handler
        return self.api.handler(request)

    def _controller(self, name: str) -> InProcess:
        return self.client(identity(name), shared=name == MANAGER)

    def client(self, user: User = ADMIN, *, shared: bool = False) -> InProcess:
        """A client of this API server with `user`'s permissions.

        `shared`: what it watches is shared with informers, and must not be changed.
        """
        client = InProcess(
            lambda request: self.handler(request), user, self._decode if shared else None
        )
        self._clients.append(client)
        return client

    async def wait_ready(self) -> None:
        """Until the API server serves."""
        await self._started.wait()

    async def wait_working(self) -> None:
        """Until controllers and scheduler have seen everything there is."""
        await self.wait_ready()
        self.awake.set()
        await self.manager.wait_ready()
        if self._scheduling.is_set():
            await self.scheduler.wait_ready()

    async def run(self) -> None:
        """Run the three until cancelled."""
        try:
            async with TaskGroup("control plane") as group:
                group.start(self.api.run(), "apiserver")
                await self.api.wait_ready()
                self._started.set()
                await self.awake.wait()
                group.start(self.manager.run(), "controllers")
                await self._scheduling.wait()
                group.start(self.scheduler.run(), "scheduler")
        finally:
            for client in self._clients:
                await client.close()
