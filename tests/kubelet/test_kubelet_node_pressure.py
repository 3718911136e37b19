# SPDX-License-Identifier: Apache-2.0
"""A real node under pressure, and what it says of its usage."""

import asyncio
import json

import pytest

from pybernetes.cmd.identities import API_SERVER
from pybernetes.images import builtin
from pybernetes.kubelet.naming import NODES, PODS
from pybernetes.wire.types import Request

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
SLEEP = {"command": ["sleep", "1000"]}


def running(status):
    return "running" in status["state"]


def failed(pod):
    return pod["status"].get("phase") == "Failed"


async def ask(node, path):
    reply = await node.kubelet.handler(Request("GET", path, path, "", identity=API_SERVER))
    assert reply.status == 200, reply.body
    return reply.body


async def test_pods_beyond_their_storage_limits_are_evicted(node):
    await node.restart(eviction_interval=0.3)
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    fill = {"command": ["sh", "-c", "head -c 3m /dev/zero > $0; sleep 1000"]}
    limit = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    await node.run("dir", {"command": [*fill["command"], "/v/x"], **mount}, volumes=volumes)
    await node.run("layer", {"command": [*fill["command"], "/x"], **limit})
    await node.run("fine", {**SLEEP, **mount, **limit}, volumes=volumes)
    evicted = await node.wait_pod("dir", failed)
    assert evicted["status"]["reason"] == "Evicted"
    text = 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    assert evicted["status"]["message"] == text
    assert text in await node.events("Evicted")
    layer = await node.wait_pod("layer", failed)
    text = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert layer["status"]["message"] == text
    assert not failed(await node.client.get(PODS, "fine", "default"))


async def test_memory_pressure_evicts_the_greediest_and_passes(node):
    await node.restart(
        capacity={"memory": "400Mi"},
        node_cgroup=f"{node.config.cgroup_root}/kubepods",
        eviction_hard={"memory.available": "300Mi"},
        eviction_interval=0.5,
        eviction_pressure_transition_period=2.0,
    )
    await node.run("modest", {**SLEEP, "resources": {"requests": {"memory": "1Mi"}}})
    await node.wait("modest", running)
    eat = {
        "command": ["sh", "-c", "head -c 150m /dev/zero > /m/x; sleep 1000"],
        "volumeMounts": [{"name": "m", "mountPath": "/m"}],
    }
    await node.run("greedy", eat, volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])
    pod = await node.wait_pod("greedy", failed)
    status = pod["status"]
    assert status["reason"] == "Evicted"
    assert status["message"].startswith(
        "The node was low on resource: memory. Threshold quantity: 300Mi"
    )
    target = next(c for c in status["conditions"] if c["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert "Attempting to reclaim memory" in await node.events("EvictionThresholdMet")

    async def pressure():
        conditions = (await node.client.get(NODES, "real"))["status"]["conditions"]
        return next(c for c in conditions if c["type"] == "MemoryPressure")

    for _ in range(600):
        if (await pressure())["status"] == "True":
            break
        await asyncio.sleep(0.05)
    assert (await pressure())["reason"] == "KubeletHasInsufficientMemory"
    await node.run("late", SLEEP)
    late = await node.wait_pod("late", failed)
    assert (
        late["status"]["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    )
    for _ in range(600):
        if (await pressure())["status"] == "False":
            break
        await asyncio.sleep(0.1)
    assert (await pressure())["reason"] == "KubeletHasSufficientMemory"
    assert not failed(await node.client.get(PODS, "modest", "default"))
    told = await node.events("NodeHasInsufficientMemory")
    assert told == ["Node real status is now: NodeHasInsufficientMemory"]


async def test_the_node_tells_what_is_used(node):
    volumes = [{"name": "v", "emptyDir": {}}]
    busy = ["sh", "-c", "head -c 2m /dev/zero > /v/x; while :; do :; done"]
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    await node.run("a", {"command": busy, **mount}, volumes=volumes)
    await node.wait("a", running)
    await asyncio.sleep(0.5)
    await ask(node, "/stats/summary")
    await asyncio.sleep(1.2)
    found = json.loads(await ask(node, "/stats/summary"))
    machine = found["node"]
    (pod,) = (item for item in found["pods"] if item["podRef"]["name"] == "a")
    assert machine["nodeName"] == "real"
    assert machine["memory"]["availableBytes"] > 0
    assert machine["fs"]["capacityBytes"] >= machine["fs"]["availableBytes"] > 0
    assert machine["runtime"]["imageFs"]["capacityBytes"] > 0  # its use comes every 10 s
    assert machine["rlimit"]["curproc"] > 1
    (container,) = pod["containers"]
    assert container["cpu"]["usageNanoCores"] > 1e8
    assert pod["cpu"]["usageNanoCores"] > 1e8
    assert container["memory"]["workingSetBytes"] > 0
    (volume,) = pod["volume"]
    assert volume["usedBytes"] >= 2 << 20
    assert pod["ephemeral-storage"]["usedBytes"] >= volume["usedBytes"]
    assert [item["name"] for item in pod["network"]["interfaces"]] == ["eth0"]
    assert pod["network"]["rxBytes"] >= 0
    assert pod["process_stats"]["process_count"] >= 2
    resource, cadvisor = await ask(node, "/metrics/resource"), await ask(node, "/metrics/cadvisor")
    assert (
        b'container_memory_working_set_bytes{container="c",namespace="default",pod="a"}' in resource
    )
    assert b'pod_cpu_usage_seconds_total{namespace="default",pod="a"}' in resource
    assert b"# TYPE container_cpu_usage_seconds_total counter" in cadvisor
    assert b"machine_cpu_cores" in cadvisor
    counts = await ask(node, "/metrics")
    assert b'kubelet_node_name{node="real"} 1.0' in counts
    assert b'kubelet_running_containers{container_state="running"} 1.0' in counts
    assert b'kubelet_started_containers_total{container_type="container"}' in counts
    settings = json.loads(await ask(node, "/configz"))["kubeletconfig"]
    assert (settings["maxPods"], settings["containerLogMaxFiles"]) == (110, 5)
    assert b'<a href="pods/">' in await ask(node, "/logs/")


async def test_disk_pressure_takes_unused_images_before_pods(node):
    await node.run("a", SLEEP)
    await node.wait("a", running)
    images = {tag for item in await node.runtime.list_images() for tag in item.tags}
    assert any("pause" in tag for tag in images)
    await node.restart(eviction_hard={"nodefs.available": "99.99%"}, eviction_interval=0.3)
    pod = await node.wait_pod("a", failed)
    assert pod["status"]["message"].startswith("The node was low on resource: ephemeral-storage. ")
    for _ in range(600):  # then its dead container goes, and the image that nobody uses any more
        left = {tag for item in await node.runtime.list_images() for tag in item.tags}
        if not any("busybox" in tag for tag in left):
            break
        await asyncio.sleep(0.1)
    assert not any("busybox" in tag for tag in left)
    assert any("pause" in tag for tag in left)
    await node.restart(eviction_hard={})  # or the image would be taken again
    await builtin.ensure(node.runtime, node.daemon.socket, node.data)
