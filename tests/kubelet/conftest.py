# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory and one real node, for tests with containerd."""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.base.env import Env
from pybernetes.cmd.identities import API_SERVER, node_user
from pybernetes.cri.containerd import Containerd
from pybernetes.images import builtin
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.naming import PODS
from pybernetes.linux import cgroups, mounts
from pybernetes.machine import cleanup
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.testing.cluster import Cluster
from pybernetes.wire.types import Request

DATA = Path(f"/tmp/pybernetes-kubelet-{os.getpid()}")
GROUP = f"/pybernetes-kubelet-{os.getpid()}"


class Node:
    """A cluster in memory and one real node."""

    def __init__(self, cluster):
        self.env = cluster.env
        self.client = cluster.client()
        self.user = cluster.client(node_user("real"))
        self.daemon = PrivateContainerd(self.env, MachineConfig(DATA))
        self.runtime = Containerd(self.daemon.socket)
        self.config = Config(
            node_name="real",
            data=DATA / "kubelet",
            cgroup_root=GROUP,
            volume_interval=0.5,
            eviction_hard={},  # the machine's own shortages are not the tests'
        )

    async def start(self):
        self.kubelet = Kubelet(self.env, self.user, self.runtime, self.config)
        self.task = asyncio.ensure_future(self.kubelet.run())
        await self.kubelet.wait_ready()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def run(self, name, container, **spec):
        container = {
            "name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent", **container,
        }  # fmt: skip
        spec = {
            "nodeName": "real", "hostNetwork": True, "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0, "containers": [container], **spec,
        }  # fmt: skip
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        await self.client.create(PODS, pod, "default")

    async def wait(self, name, condition):
        """The first container's status, once it fulfils `condition`."""

        def met(pod):
            statuses = pod["status"].get("containerStatuses")
            return statuses and condition(statuses[0])

        return (await self.wait_pod(name, met))["status"]["containerStatuses"][0]

    async def wait_pod(self, name, condition):
        pod = None
        try:
            async with asyncio.timeout(20):
                while True:
                    pod = await self.client.get(PODS, name, "default")
                    if condition(pod):
                        return pod
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise TimeoutError(f"{name} is {pod and pod['status']}") from error

    async def sh(self, status, script):
        """What a shell in a container says."""
        id_ = status["containerID"].removeprefix("containerd://")
        result = await self.runtime.exec_sync(id_, ["sh", "-c", script], 5)
        return result.stdout.decode()

    async def events(self, reason):
        found = (await self.client.list(GVR("", "v1", "events"))).items
        return [item["message"] for item in found if item["reason"] == reason]

    async def wait_gone(self):
        for _ in range(300):
            if not (await self.client.list(PODS)).items and not await self.runtime.list_sandboxes():
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("pods are left")

    async def log(self, name, query=""):
        path = f"/containerLogs/default/{name}/c"
        reply = await self.kubelet.handler(Request("GET", path, path, query, identity=API_SERVER))
        return b"".join([chunk async for chunk in reply.chunks])


@pytest.fixture
async def node():
    env = Env()
    async with Cluster(env) as cluster:
        node = Node(cluster)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        with contextlib.suppress(ApiError):
            await node.client.create(GVR("", "v1", "serviceaccounts"), account, "default")
        await node.daemon.start()
        await builtin.ensure(node.runtime, node.daemon.socket, DATA)
        await node.start()
        yield node
        await node.stop()
        await node.runtime.close()
    assert await cleanup.remove(env, MachineConfig(DATA), GROUP) == []
    assert (mounts.below(DATA), cgroups.trees(GROUP)) == ([], [])
    shutil.rmtree(DATA)
