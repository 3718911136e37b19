# SPDX-License-Identifier: Apache-2.0
"""A control plane without scheduler and nodes, on virtual time; the test itself runs the pods."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.base.tls import new_ca
from pybernetes.base.virtualtime import run
from pybernetes.client.informer import Informers
from pybernetes.client.inprocess import InProcess
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.manager import Manager, identity
from pybernetes.storage.memory import MemoryStore

ADMIN = User("admin", ("system:masters", "system:authenticated"))
PODS = GVR("", "v1", "pods")


class Cluster:
    """What a test works with. `ready`: pods for which it is false never become ready."""

    def __init__(self, env: Env, server: ApiServer) -> None:
        self.env = env
        self.client_of = lambda user: InProcess(server.handler, user)
        self.client = self.client_of(ADMIN)
        self.ready: Callable[[Object], bool] = lambda _: True
        self.grace = 0.0  # seconds a deleted pod needs to stop

    async def create(self, gvr: GVR, obj: Object, namespace: str = "default") -> Object:
        return await self.client.create(gvr, obj, namespace)

    async def list(self, gvr: GVR, namespace: str = "default", selector: str = "") -> list[Object]:
        found = await self.client.list(gvr, namespace, label_selector=selector)
        return found.items

    async def gone(self, gvr: GVR, name: str, namespace: str = "default") -> bool:
        try:
            await self.client.get(gvr, name, namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return True
        return False

    async def eventually(self, check: Callable[[], Awaitable[Any]], seconds: float = 120) -> Any:
        """The first true answer of `check`, asked every tenth of a (virtual) second."""
        deadline = self.env.clock.monotonic() + seconds
        while True:
            found = await check()
            if found:
                return found
            assert self.env.clock.monotonic() < deadline, "it did not become true"
            await asyncio.sleep(0.1)

    async def run_pods(self, informers: Informers) -> None:
        """Every pod runs and becomes ready; a deleted one goes when its grace period is over."""
        pods = informers.get(PODS)
        async with TaskGroup("pods") as group:

            def changed(_: Object | None, new: Object | None) -> None:
                if new is not None:
                    group.start(self._step(new), new["metadata"]["name"])

            pods.on_change(changed)
            await asyncio.get_running_loop().create_future()

    async def _step(self, pod: Object) -> None:
        metadata = pod["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        try:
            if metadata.get("deletionTimestamp"):
                await asyncio.sleep(self.grace)
                await self.client.delete(PODS, name, namespace, options={"gracePeriodSeconds": 0})
            elif pod.get("status", {}).get("phase") in (None, "Pending") and self.ready(pod):
                stamp = rfc3339(self.env.clock.now())
                ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp}
                octets = int(metadata["uid"][:4], 16)
                ip = f"10.1.{octets >> 8}.{octets & 255}"
                status = {"phase": "Running", "conditions": [ready]}
                status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
                await self.client.patch(
                    PODS, name, {"status": status}, namespace, subresource="status"
                )
        except ApiError as error:
            if error.code not in (404, 409):
                raise


@pytest.fixture
def in_cluster() -> Callable[..., None]:
    """`in_cluster(main)` runs `await main(cluster)` beside API server and controllers."""

    def start(main: Callable[[Cluster], Awaitable[None]], **options: Any) -> None:
        async def everything(env: Env) -> None:
            server = ApiServer(env, Config(), MemoryStore(env))
            cluster = Cluster(env, server)
            extra = options.pop("extra", None)
            ca = new_ca("kubernetes", env.clock)
            made = {"root_ca": ca.certificate.decode(), "signing_ca": ca}
            config = ControllersConfig(freeze_caches=True, **{**made, **options})
            manager = Manager(
                env, lambda name: InProcess(server.handler, identity(name)), config, extra
            )
            informers = Informers(env, cluster.client)
            informers.get(PODS)
            async with TaskGroup("test") as group:
                group.start(server.run(), "server")
                await server.wait_ready()
                group.start(manager.run(), "manager")
                group.start(informers.run(), "informers")
                group.start(cluster.run_pods(informers), "pods")
                await manager.wait_ready()
                await ensure_namespace(cluster, "default")
                await main(cluster)
                group.cancel()

        run(everything)

    return start


async def ensure_namespace(cluster: Cluster, name: str) -> None:
    namespaces = GVR("", "v1", "namespaces")
    try:
        await cluster.client.create(
            namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
