# SPDX-License-Identifier: Apache-2.0
"""A whole cluster in the test's own process: control plane, store in memory, hollow nodes.

async with Cluster(nodes=1) as cluster:
    await cluster.wait_working()
    client = cluster.client()
"""

import asyncio
from types import TracebackType
from typing import Self

from pybernetes.apimachinery.types import GVR, User
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.inprocess import InProcess
from pybernetes.cmd.control_plane import ControlPlane, ControlPlaneConfig
from pybernetes.cmd.hollow import HollowFleet, numbered
from pybernetes.cmd.identities import ADMIN
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.cri.stages import Stages
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import Store

POD_RANGE = ("10.128.0.0/10",)  # enough for 16,384 nodes
ACCOUNTS = GVR("", "v1", "serviceaccounts")


class Cluster:
    """`nodes` hollow nodes that do what `stages` say; leaving the block stops everything. Works on any loop and any clock."""

    def __init__(
        self,
        env: Env | None = None,
        *,
        nodes: int = 0,
        config: ControlPlaneConfig | None = None,
        store: Store | None = None,
        stages: Stages | None = None,
    ) -> None:
        self.env = env or Env()
        self.store = store or MemoryStore(self.env)
        self._dialer = Nodes(self.env, None)
        config = config or ControlPlaneConfig(
            controllers=ControllersConfig(cluster_cidrs=POD_RANGE)
        )
        self.control_plane = ControlPlane(self.env, self.store, self._dialer, config)
        self.fleet = HollowFleet(
            self.env,
            self.client,
            numbered(nodes),
            cache=self.control_plane.client(shared=True),
            stages=stages,
        )
        for name, handler in self.fleet.handlers.items():
            self._dialer.add_local(name, handler)
        self._group = TaskGroup("cluster")

    def client(self, user: User = ADMIN) -> InProcess:
        """A client of this cluster; by default as its administrator."""
        return self.control_plane.client(user)

    async def wait_working(self, seconds: float = 30.0) -> None:
        """Until pods can be created and run: controllers, scheduler and nodes work. TimeoutError."""
        async with asyncio.timeout(seconds):
            await self.control_plane.wait_working()
            await self.fleet.wait_ready()
            async for event in self.client().watch(ACCOUNTS, "default"):
                if event.object["metadata"]["name"] == "default":
                    return

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._group.start(self.control_plane.run(), "control plane")
        await self.control_plane.wait_ready()
        self._group.start(self.fleet.run(), "nodes")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._group.cancel()
        try:
            await self._group.__aexit__(None, None, None)
        except asyncio.CancelledError:
            if error is None:
                raise
        await self.store.close()
