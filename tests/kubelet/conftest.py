# SPDX-License-Identifier: Apache-2.0
"""One real node (containerd, pod network) beside a control plane in memory, for all tests of this room.

It lives as long as the session; so tests with it are marked `asyncio(loop_scope="session")`.
"""

import asyncio
import contextlib
import dataclasses
import os
import shutil
from pathlib import Path

import pytest_asyncio

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.apiserver.config import Config as ApiConfig
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.cmd.control_plane import ControlPlaneConfig
from pybernetes.cmd.identities import API_SERVER, node_user
from pybernetes.controllers.config import ControllersConfig
from pybernetes.cri.containerd import Containerd
from pybernetes.images import builtin
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.naming import CONFIG_MAPS, PODS, SECRETS
from pybernetes.linux import cgroups, mounts
from pybernetes.machine import cleanup
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.network.config import NetworkConfig
from pybernetes.network.network import Network
from pybernetes.testing.cluster import Cluster
from pybernetes.wire.types import Request, Response

DATA = Path(f"/tmp/pybernetes-kubelet-{os.getpid()}")
GROUP = f"/pybernetes-kubelet-{os.getpid()}"
BRIDGE = f"pybt{os.getpid()}"[-15:]
PODS_CIDR, SERVICES = "10.201.0.0/16", "10.202.0.0/16"
EVENTS = GVR("", "v1", "events")
PATIENCE = 1200  # looks, 50 ms apart: a machine may be busy with other things


class Node:
    """A cluster in memory and one real node, "real"."""

    data = DATA

    def __init__(self, cluster):
        self.env = cluster.env
        self.client = cluster.client()
        self.user = cluster.client(node_user("real"))
        machine = MachineConfig(DATA)
        self.daemon = PrivateContainerd(self.env, machine)
        self.runtime = Containerd(self.daemon.socket)
        self.config = Config(
            node_name="real", data=DATA / "kubelet", cgroup_root=GROUP, volume_interval=0.5,
            cni_conf_dir=machine.cni_conf, cluster_dns=("10.202.0.10",),
            backoff_initial=0.5, backoff_maximum=1.0, node_ips=("10.201.0.1",),
            eviction_hard={},  # the machine's own shortages are not the tests'
        )  # fmt: skip
        network = NetworkConfig(
            node_name="real", cni_conf_dir=machine.cni_conf, cni_state_dir=DATA / "cni",
            cluster_cidr=PODS_CIDR, service_cidr=SERVICES, bridge=BRIDGE, table=BRIDGE,
        )  # fmt: skip
        self.network = Network(self.env, self.user, network)

    def launch(self):
        self.kubelet = Kubelet(self.env, self.user, self.runtime, self.config)
        self.task = asyncio.ensure_future(self.kubelet.run())

    async def start(self):
        self.launch()
        await self.kubelet.wait_ready()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def restart(self, **settings):
        """With other settings; the fixture takes them back."""
        await self.stop()
        self.config = dataclasses.replace(self.config, **settings)
        await self.start()

    async def create(self, gvr, kind, name, namespace="default", **fields):
        version = f"{gvr.group}/{gvr.version}" if gvr.group else gvr.version
        metadata = {"name": name, **fields.pop("metadata", {})}
        obj = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
        return await self.client.create(gvr, obj, namespace)

    async def run(self, name, *containers, metadata=None, **spec):
        """Create a pod; containers are named c, c1, c2, ... and run busybox unless they say else."""
        filled = [_filled(item, f"c{index or ''}") for index, item in enumerate(containers)]
        spec = {
            "nodeName": "real", "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0, "containers": filled, **spec,
        }  # fmt: skip
        for index, item in enumerate(spec.get("initContainers", ())):
            spec["initContainers"][index] = _filled(item, f"i{index or ''}")
        await self.create(PODS, "Pod", name, metadata=metadata or {}, spec=spec)

    async def wait(self, name, condition, group="containerStatuses", index=0):
        """The container status, once it meets the condition."""

        def met(pod):
            statuses = pod["status"].get(group)
            return statuses and condition(statuses[index])

        return (await self.wait_pod(name, met))["status"][group][index]

    async def wait_pod(self, name, condition):
        """The pod, once it meets the condition; AssertionError with what was seen instead."""
        for _ in range(PATIENCE):
            pod = await self.client.get(PODS, name, "default")
            if condition(pod):
                return pod
            await asyncio.sleep(0.05)
        events = (await self.client.list(EVENTS, "default")).items
        told = [e["message"] for e in events if e["involvedObject"]["name"] == name]
        raise AssertionError(f"{pod['status']}\n{told}")

    async def sh(self, status, script):
        """What a shell in a container says."""
        id_ = status["containerID"].removeprefix("containerd://")
        result = await self.runtime.exec_sync(id_, ["sh", "-c", script], 5)
        return result.stdout.decode()

    async def events(self, reason):
        found = (await self.client.list(EVENTS, "default")).items
        return [item["message"] for item in found if item["reason"] == reason]

    async def output(self, name, container="c"):
        """What a pod that ends wrote."""
        await self.wait_pod(name, lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"))
        return (await self.log(name, container=container)).decode()

    async def wait_event(self, name, reason, text=""):
        for _ in range(PATIENCE):
            events = (await self.client.list(EVENTS, "default")).items
            told = [e for e in events if e["involvedObject"]["name"] == name]
            for event in told:
                if event["reason"] == reason and text in event["message"]:
                    return event["message"]
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {reason} {text}: {[(e['reason'], e['message']) for e in told]}")

    async def delete(self, *names):
        for name in names:
            await self.client.delete(PODS, name, "default")

    async def wait_gone(self):
        for _ in range(PATIENCE):
            if not (await self.client.list(PODS)).items and not await self.runtime.list_sandboxes():
                return
            await asyncio.sleep(0.05)
        left = [box.name for box in await self.runtime.list_sandboxes()]
        raise TimeoutError(f"pods are left: {left}")

    async def wait_log(self, name, text, container="c"):
        for _ in range(PATIENCE):
            if text in (found := (await self.log(name, container=container)).decode()):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} is not in {found!r}")

    async def log(self, name, query="", container="c"):
        path = f"/containerLogs/default/{name}/{container}"
        reply = await self.kubelet.handler(Request("GET", path, path, query, identity=API_SERVER))
        if isinstance(reply, Response):
            return reply.body if reply.status == 200 else b""
        return b"".join([chunk async for chunk in reply.chunks])


def _filled(container, name):
    filled = {"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", **container}
    if isinstance(filled.get("command"), str):
        filled["command"] = ["sh", "-c", filled["command"]]
    return filled


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_node():
    """Shared: `node` gives it to a test and takes its pods away afterwards."""
    env = Env()
    key = tls.new_key()
    config = ControlPlaneConfig(
        api=ApiConfig(service_account_signing_key=key, service_account_keys=(tls.public_key(key),)),
        controllers=ControllersConfig(cluster_cidrs=(PODS_CIDR,)),
    )
    async with Cluster(env, config=config) as cluster:
        node = Node(cluster)
        with contextlib.suppress(ApiError):
            await node.create(GVR("", "v1", "serviceaccounts"), "ServiceAccount", "default")
        await node.daemon.start()
        await builtin.ensure(node.runtime, node.daemon.socket, DATA)
        await node.start()
        network = asyncio.ensure_future(node.network.run())
        await node.network.wait_ready()
        yield node
        await node.stop()
        network.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await network
        await node.runtime.close()
    assert await cleanup.remove(env, MachineConfig(DATA), GROUP) == []
    assert (mounts.below(DATA), cgroups.trees(GROUP)) == ([], [])
    shutil.rmtree(DATA)
    for command in (f"ip link del {BRIDGE}", f"nft delete table ip {BRIDGE}"):
        process = await asyncio.create_subprocess_shell(command)
        assert await process.wait() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def node(real_node):
    config = real_node.config
    yield real_node
    if real_node.config is not config or real_node.kubelet._stopping:
        await real_node.stop()
        real_node.config = config
        await real_node.start()
    for pod in (await real_node.client.list(PODS, "default")).items:
        with contextlib.suppress(ApiError):
            name = pod["metadata"]["name"]
            await real_node.client.delete(PODS, name, "default", options={"gracePeriodSeconds": 0})
    await real_node.wait_gone()
    for gvr in (CONFIG_MAPS, SECRETS, EVENTS):
        for obj in (await real_node.client.list(gvr, "default")).items:
            if obj["metadata"]["name"] != "kube-root-ca.crt":
                with contextlib.suppress(ApiError):
                    await real_node.client.delete(gvr, obj["metadata"]["name"], "default")
