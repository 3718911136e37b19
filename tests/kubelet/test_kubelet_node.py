# SPDX-License-Identifier: Apache-2.0
"""The kubelet on a real private containerd: one walk through a pod's life, then nothing is left."""

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
from pybernetes.kubelet.naming import CONFIG_MAPS, PODS
from pybernetes.linux import cgroups, mounts
from pybernetes.machine import cleanup
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.testing.cluster import Cluster
from pybernetes.wire.types import Request

pytestmark = pytest.mark.node
DATA = Path(f"/tmp/pybernetes-kubelet-{os.getpid()}")
GROUP = f"/pybernetes-kubelet-{os.getpid()}"
SCRIPT = "echo started $FROM; while :; do cat /config/key; echo; sleep 0.2; done"


class Node:
    """A cluster in memory and one real node."""

    def __init__(self, cluster):
        self.env = cluster.env
        self.client = cluster.client()
        self.user = cluster.client(node_user("real"))
        self.daemon = PrivateContainerd(self.env, MachineConfig(DATA))
        self.runtime = Containerd(self.daemon.socket)
        self.config = Config(
            node_name="real", data=DATA / "kubelet", cgroup_root=GROUP, volume_interval=0.5
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
        async with asyncio.timeout(15):
            while True:
                pod = await self.client.get(PODS, name, "default")
                statuses = pod["status"].get("containerStatuses")
                if statuses and condition(statuses[0]):
                    return statuses[0]
                await asyncio.sleep(0.05)

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


async def test_a_pod_with_volumes_probe_and_log_survives_the_kubelet(node):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    await node.client.create(CONFIG_MAPS, {**config, "data": {"key": "one"}}, "default")
    container = {
        "command": ["sh", "-c", SCRIPT],
        "env": [{"name": "FROM", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "key"}}}],
        "readinessProbe": {"exec": {"command": ["cat", "/work/ready"]}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "work", "mountPath": "/work"},
        ],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    volumes = [
        {"name": "config", "configMap": {"name": "m"}},
        {"name": "work", "emptyDir": {"medium": "Memory"}},
    ]
    await node.run("a", container, volumes=volumes)
    running = await node.wait("a", lambda status: "running" in status["state"])
    assert not running["ready"]
    container_id = running["containerID"].removeprefix("containerd://")
    result = await node.runtime.exec_sync(
        container_id, ["sh", "-c", "touch /work/ready; mount | grep /work; cat /etc/hosts"], 5
    )
    assert b"tmpfs on /work" in result.stdout
    assert b"# Kubernetes-managed hosts file" in result.stdout
    await node.wait("a", lambda status: status["ready"])

    await node.client.patch(CONFIG_MAPS, "m", {"data": {"key": "two"}}, "default")
    for _ in range(100):
        if b"two" in await node.log("a", "tailLines=3"):
            break
        await asyncio.sleep(0.1)
    assert b"two" in await node.log("a", "tailLines=3")
    assert (await node.log("a")).startswith(b"started one\none\n")

    await node.stop()
    await node.start()
    await asyncio.sleep(0.5)
    again = await node.wait("a", lambda status: status["ready"])
    assert (again["containerID"], again["restartCount"]) == (running["containerID"], 0)
    await node.client.delete(PODS, "a", "default")
    await node.wait_gone()


async def test_probes_crashes_and_images(node):
    command = ["sh", "-c", "echo last words > /dev/termination-log; sleep 100"]
    liveness = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await node.run("sick", {"command": command, "livenessProbe": liveness})
    await node.run("never", {"image": "no/such", "imagePullPolicy": "Never"})
    await node.run("once", {"command": ["sh", "-c", "exit 3"]}, restartPolicy="Never")
    dead = await node.wait("once", lambda status: "terminated" in status["state"])
    assert dead["state"]["terminated"]["exitCode"] == 3
    waiting = (await node.wait("never", lambda status: True))["state"]["waiting"]
    while waiting["reason"] == "ContainerCreating":
        await asyncio.sleep(0.1)
        waiting = (await node.wait("never", lambda status: True))["state"]["waiting"]
    assert waiting["reason"] == "ErrImageNeverPull"
    sick = await node.wait("sick", lambda status: status["restartCount"] >= 1)
    assert sick["lastState"]["terminated"]["message"] == "last words\n"
    for name in ("sick", "never", "once"):
        await node.client.delete(PODS, name, "default")
    await node.wait_gone()
