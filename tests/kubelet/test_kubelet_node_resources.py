# SPDX-License-Identifier: Apache-2.0
"""Resources on a real node: what cgroups say, out of memory, and resizing in place."""

import asyncio

import pytest

from pybernetes.kubelet.naming import PODS
from pybernetes.linux import cgroups

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
SLEEP = {"command": ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]}


def resources(cpu, memory, limit=None):
    return {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": limit or cpu, "memory": memory},
    }


def running(status):
    return "running" in status["state"]


def condition(pod, type_):
    return next((c for c in pod["status"].get("conditions", ()) if c["type"] == type_), None)


def limits(cgroup):
    """(shares, quota, memory) as set on the host, whatever the cgroup version."""
    name = cgroup.strip("/")
    if cgroups.unified():
        folder = cgroups.ROOT / name
        files = (folder / "cpu.weight", folder / "cpu.max", folder / "memory.max")
        return tuple(file.read_text().split()[0] for file in files)
    cpu, memory = cgroups.ROOT / "cpu" / name, cgroups.ROOT / "memory" / name
    files = (cpu / "cpu.shares", cpu / "cpu.cfs_quota_us", memory / "memory.limit_in_bytes")
    return tuple(file.read_text().strip() for file in files)


async def resize(node, name, new):
    patch = {"spec": {"containers": [{"name": "c", "resources": new}]}}
    return await node.client.patch(
        PODS, name, patch, "default", subresource="resize",
        patch_type="application/strategic-merge-patch+json",
    )  # fmt: skip


async def settled(node, name, new):
    """Until nothing is pending or in progress and the status says `new`."""

    def met(pod):
        status = pod["status"]["containerStatuses"][0]
        busy = condition(pod, "PodResizeInProgress") or condition(pod, "PodResizePending")
        return not busy and status.get("resources") == new and running(status)

    return await node.wait_pod(name, met)


@pytest.mark.skipif(cgroups.unified(), reason="reads cgroup v1 files")
async def test_resizing_changes_the_cgroups_of_running_containers(node):
    first = resources("100m", "64Mi")
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    both = [*policy, {"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    await node.run("both", {**SLEEP, "resources": first, "resizePolicy": both})
    await node.run("a", {**SLEEP, "resources": first})
    await node.run("b", {**SLEEP, "resources": first, "resizePolicy": policy})
    before = {name: await node.wait(name, running) for name in ("a", "b")}
    pod = await node.client.get(PODS, "a", "default")
    parent = f"{node.config.cgroup_root}/kubepods/pod{pod['metadata']['uid']}"
    assert limits(parent) == ("102", "10000", str(64 << 20))
    container = f"{parent}/{before['a']['containerID'].removeprefix('containerd://')}"
    assert limits(container) == limits(parent)

    for new in (resources("200m", "128Mi"), resources("50m", "32Mi")):
        await resize(node, "a", new)
        pod = await settled(node, "a", new)
        status = pod["status"]["containerStatuses"][0]
        assert status["containerID"] == before["a"]["containerID"]
        assert status["allocatedResources"] == new["requests"]
        assert pod["status"]["observedGeneration"] == pod["metadata"]["generation"]
        script = "cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
        inside = await node.sh(status, script + " /sys/fs/cgroup/memory/memory.limit_in_bytes")
        assert tuple(inside.split()) == limits(parent) == limits(container)
    assert limits(parent) == ("51", "5000", str(32 << 20))
    assert "cgroup2" not in await node.sh(status, "mount")  # or suites take the node for v2

    await resize(node, "b", resources("200m", "64Mi"))  # the CPU alone needs no restart
    pod = await settled(node, "b", resources("200m", "64Mi"))
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    await resize(node, "b", resources("200m", "96Mi"))
    pod = await settled(node, "b", resources("200m", "96Mi"))
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert "Container c resize requires restart" in await node.events("Killing")
    await node.wait("both", running)
    await resize(node, "both", resources("300m", "96Mi"))  # more than the pod had
    await settled(node, "both", resources("300m", "96Mi"))
    assert len(await node.events("ResizeCompleted")) == 5


async def test_resizes_that_must_wait_or_fail_say_so(node):
    await node.run("a", {**SLEEP, "resources": resources("100m", "64Mi")})
    await node.run("big", {**SLEEP, "resources": resources("1", "64Mi")})
    await node.wait("a", running)
    await resize(node, "a", resources("1500m", "64Mi"))
    pod = await node.wait_pod("a", lambda pod: condition(pod, "PodResizePending"))
    found = condition(pod, "PodResizePending")
    assert (found["reason"], found["observedGeneration"]) == ("Deferred", 2)
    assert found["message"].startswith("Node didn't have enough resource: cpu, requested: 1500,")
    assert pod["status"]["containerStatuses"][0]["resources"] == resources("100m", "64Mi")
    await node.client.delete(PODS, "big", "default")  # room: what waited is done
    await settled(node, "a", resources("1500m", "64Mi"))

    status = await node.wait("a", running)
    await node.sh(status, "head -c 20m /dev/zero > /dev/shm/x")
    await resize(node, "a", resources("1500m", "8Mi"))
    pod = await node.wait_pod(
        "a", lambda pod: (condition(pod, "PodResizeInProgress") or {}).get("reason") == "Error"
    )
    text = condition(pod, "PodResizeInProgress")["message"]
    assert text.startswith("cannot decrease memory limits: ")
    assert 'container "c" memory limit (8388608) below current usage' in text
    assert pod["status"]["containerStatuses"][0]["resources"] == resources("1500m", "64Mi")


async def test_memory_limits_of_containers_and_pods_kill(node):
    eat = "head -c 100m /dev/zero | tail > /dev/null; exit $?"
    await node.run(
        "own", {"command": ["sh", "-c", f"{eat}"], "resources": resources("100m", "16Mi")},
        restartPolicy="Never",
    )  # fmt: skip
    await node.run("other", {**SLEEP, "resources": {"requests": {"cpu": "20m"}}})
    await node.run("least", SLEEP)
    await node.wait("other", running)
    await node.wait("least", running)
    dead = await node.wait("own", lambda status: "terminated" in status["state"])
    ended = dead["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    top = f"{node.config.cgroup_root}/kubepods"
    assert limits(f"{top}/besteffort")[0] == "2"
    for _ in range(50):
        if limits(f"{top}/burstable")[0] == "20":
            break
        await asyncio.sleep(0.1)
    assert limits(f"{top}/burstable")[0] == "20"
    assert int(limits(top)[2]) == node.kubelet.tools.machine.memory
