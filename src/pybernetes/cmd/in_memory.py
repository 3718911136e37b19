# SPDX-License-Identifier: Apache-2.0
"""A whole cluster in the test's own process: control plane, store in memory, hollow nodes.

async with Cluster(nodes=1) as cluster:
    await cluster.wait_working()
    client = cluster.client()
    async with cluster.fork() as fork:  # the same objects at the same revision, and on its own
        ...
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pybernetes.apimachinery.types import GVR, User
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.base.tls import random_token
from pybernetes.client.inprocess import InProcess
from pybernetes.cmd.control_plane import ControlPlane, ControlPlaneConfig
from pybernetes.cmd.hollow import HollowFleet, numbered
from pybernetes.cmd.identities import ADMIN
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.cri.hollow import Delays
from pybernetes.cri.stages import Stages
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import Store
from pybernetes.wire.server import Server
from pybernetes.wire.types import Handler, Reply, Request

POD_RANGE = ("10.128.0.0/10",)  # enough for 16,384 nodes
AT_ONCE = Delays(0, 0, 0, 0, 0)
ACCOUNTS = GVR("", "v1", "serviceaccounts")


class Cluster:
    """`nodes` hollow nodes that do what `stages` say; leaving the block stops everything. Works on any loop and any clock.

    `delays`: how long their containers take to start and stop, where stages say nothing: no time.
    `origin`: this is its fork (see `fork`).
    """

    def __init__(
        self,
        env: Env | None = None,
        *,
        nodes: int = 0,
        config: ControlPlaneConfig | None = None,
        store: Store | None = None,
        stages: Stages | None = None,
        delays: Delays = AT_ONCE,
        origin: "Cluster | None" = None,
    ) -> None:
        self.env = env or Env()
        self._owns_env = env is None or origin is not None
        self.store = store or MemoryStore(self.env)
        self._stages, self._delays = stages, delays
        self._dialer = Nodes(self.env, None)
        config = config or ControlPlaneConfig(
            controllers=ControllersConfig(cluster_cidrs=POD_RANGE)
        )
        self._token = random_token()
        users = {**config.api.token_users, self._token: (ADMIN.name, ADMIN.groups)}
        self._config = replace(config, api=replace(config.api, token_users=users))
        self.control_plane: ControlPlane = ControlPlane(
            self.env,
            self.store,
            self._dialer,
            self._config,
            origin=origin.control_plane if origin else None,
        )
        self.fleet: HollowFleet = HollowFleet(
            self.env,
            self.client,
            origin.fleet.nodes if origin else numbered(nodes),
            cache=self.control_plane.client(shared=True),
            stages=stages,
            delays=delays,
            origin=origin.fleet if origin else None,
        )
        for name, handler in self.fleet.handlers.items():
            self._dialer.add_local(name, self._woken(handler))
        self._group = TaskGroup("cluster")
        self._loop: asyncio.AbstractEventLoop | None = None  # that it runs on
        self._server: Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __repr__(self) -> str:
        return f"<Cluster: {len(self.fleet.nodes)} node(s), revision {self.store.revision}>"

    def fork(self) -> "Cluster":
        """A cluster of its own with the same objects at the same revisions, running and in between.

        Reads are answered at once, even before the block is entered and on another event loop.
        Controllers, scheduler and nodes wake at the first write or watch, or by `wait_working`,
        and find their caches filled. Raises RuntimeError before this cluster serves, StoreError
        where its store cannot fork.
        """
        if not self.control_plane.api.is_ready:
            raise RuntimeError("only a cluster that serves can be forked: enter its block first")
        env = replace(Env(), clock=self.env.clock, offload=type(self.env.offload)())
        env = replace(env, random=Random(self.env.random.uuid()))
        store = self.store.fork(env) if isinstance(self.store, MemoryStore) else self.store.fork()
        how: dict[str, Any] = {"stages": self._stages, "delays": self._delays}
        return Cluster(env, config=self._config, store=store, origin=self, **how)

    def client(self, user: User = ADMIN) -> InProcess:
        """A client of this cluster; by default as its administrator.

        Raises RuntimeError on another event loop than the one that the cluster runs on.
        """
        if self._loop is not None and _running_loop() not in (None, self._loop):
            raise RuntimeError(
                "this cluster runs on another event loop (a session's, perhaps): use a fork of it, "
                'or run the test on that loop, as pytest.mark.asyncio(loop_scope="session") does'
            )
        return self.control_plane.client(user)

    async def kubeconfig(self) -> Path:
        """A kubeconfig file for programs (kubectl, kopf): HTTPS on loopback as its administrator.

        The listener opens at the first call; it and the file last as long as the block.
        """
        from pybernetes.base import tls
        from pybernetes.client import kubeconfig
        from pybernetes.wire.server import serve

        if self._folder is None:
            ca = tls.new_ca("pybernetes", self.env.clock, days=365)
            who = tls.Subject("kubernetes", dns=["localhost"], ips=["127.0.0.1"])
            context = tls.server_context(tls.issue(ca, who, self.env.clock))
            self._server = await serve(self.env, self.control_plane.handler, ssl_context=context)
            self._folder = tempfile.TemporaryDirectory(prefix="pybernetes-")
            server = f"https://127.0.0.1:{self._server.port}"
            kubeconfig.merge_context(
                Path(self._folder.name) / "kubeconfig",
                "pybernetes",
                {"server": server, "certificate-authority-data": kubeconfig.inline(ca.certificate)},
                {"token": self._token},
            )
        return Path(self._folder.name) / "kubeconfig"

    async def wait_working(self, seconds: float = 30.0) -> None:
        """Until pods can be created and run: controllers, scheduler and nodes work. TimeoutError."""
        async with asyncio.timeout(seconds):
            await self.control_plane.wait_working()
            await self.fleet.wait_ready()
            async for event in self.client().watch(ACCOUNTS, "default"):
                if event.object["metadata"]["name"] == "default":
                    return

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise RuntimeError("this cluster has been entered before: use a fork of it")
        self._loop = asyncio.get_running_loop()
        await self._group.__aenter__()
        self._group.start(self.control_plane.run(), "control plane")
        await self.control_plane.wait_ready()
        self._group.start(self._run_nodes(), "nodes")
        return self

    async def _run_nodes(self) -> None:
        await self.control_plane.awake.wait()
        await self.fleet.run()

    def _woken(self, handler: Handler) -> Handler:
        """A node's handler; who asks for a sleeping node's wakes it and waits."""

        async def wait(request: Request) -> Reply:
            self.control_plane.awake.set()
            await self.fleet.wait_ready()
            reply = handler(request)
            return await reply if isinstance(reply, Awaitable) else reply

        def handle(request: Request) -> Reply | Awaitable[Reply]:
            return handler(request) if self.control_plane.awake.is_set() else wait(request)

        return handle

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            await self._server.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._group.cancel()
        try:
            await self._group.__aexit__(None, None, None)
        except asyncio.CancelledError:
            if error is None:
                raise
        await self.store.close()
        if self._owns_env:
            self.env.offload.close()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
