# SPDX-License-Identifier: Apache-2.0
"""The whole kubelet against a real API server on virtual time, with containers that run nothing."""

import asyncio
import contextlib
import itertools

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.base import virtualtime
from pybernetes.cmd.hollow import HollowFleet, numbered
from pybernetes.cmd.identities import API_SERVER
from pybernetes.kubelet.naming import LEASES, NODES, PODS
from pybernetes.testing.cluster import Cluster
from pybernetes.wire.types import Request


def on_nodes(count, test):
    """Run `test(client, fleet)` with `count` hollow nodes on virtual time."""

    async def main(env):
        async with Cluster(env) as cluster:
            client = cluster.client()
            account = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default"},
            }
            with contextlib.suppress(ApiError):  # a controller may have been quicker
                await client.create(GVR("", "v1", "serviceaccounts"), account, "default")
            fleet = HollowFleet(
                env, cluster.client, numbered(count, "node-0" if count == 1 else "node")
            )
            running = asyncio.ensure_future(fleet.run())
            await fleet.wait_ready()
            await test(client, fleet)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    virtualtime.run(main)


def pod(name, node="node-0", **spec):
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "web:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


async def status_of(client, name):
    return (await client.get(PODS, name, "default"))["status"]


def test_life_of_a_pod():
    async def test(client, fleet):
        await client.create(PODS, pod("a"), "default")
        await asyncio.sleep(2)
        status = await status_of(client, "a")
        assert status["phase"] == "Running"
        assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
        assert status["podIP"]
        await client.delete(PODS, "a", "default")
        await asyncio.sleep(2)
        assert (await client.list(PODS)).items == []
        assert await fleet.kubelets["node-0"].runtime.list_sandboxes() == []

    on_nodes(1, test)


def test_a_deletion_in_the_same_breath_as_another_change_is_not_lost():
    async def test(client, fleet):
        await client.create(PODS, pod("a"), "default")
        await asyncio.sleep(2)
        live = await client.get(PODS, "a", "default")
        gone = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
        workers = fleet.kubelets["node-0"].workers
        workers.wake(live["metadata"]["uid"])  # its task has not begun when the deletion comes
        workers.update(live, {**live, "metadata": {**live["metadata"], **gone}})
        await asyncio.sleep(5)
        assert (await client.list(PODS)).items == []

    on_nodes(1, test)


def test_a_pod_deleted_before_it_started_has_failed():
    async def test(client, fleet):
        kept = {**pod("a"), "metadata": {"name": "a", "finalizers": ["example.com/keep"]}}
        kept["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "not-there"}}]
        await client.create(PODS, kept, "default")
        await client.delete(PODS, "a", "default")
        await asyncio.sleep(5)
        assert (await status_of(client, "a"))["phase"] in ("Failed", "Succeeded")

    on_nodes(1, test)


def test_crashes_back_off_longer_and_longer():
    async def test(client, fleet):
        runtime = fleet.kubelets["node-0"].runtime
        await client.create(PODS, pod("a"), "default")
        starts = []
        loop = asyncio.get_running_loop()
        while loop.time() < 700:
            await asyncio.sleep(0.5)
            for item in await runtime.list_containers():
                if item.state == "running":
                    starts.append(loop.time())
                    runtime.exit(item.id, 1)
        gaps = [round(later - sooner) for sooner, later in itertools.pairwise(starts)]
        assert gaps[0] <= 1
        assert all(
            abs(gap - want) <= 1 for gap, want in zip(gaps[1:6], (10, 20, 40, 80, 160), strict=True)
        )
        status = (await status_of(client, "a"))["containerStatuses"][0]
        assert status["restartCount"] == len(starts) - 1
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert status["lastState"]["terminated"]["exitCode"] == 1

    on_nodes(1, test)


def test_finished_pods_and_pods_that_do_not_fit():
    async def test(client, fleet):
        runtime = fleet.kubelets["node-0"].runtime
        await client.create(PODS, pod("job", restartPolicy="Never"), "default")
        await asyncio.sleep(2)
        runtime.exit((await runtime.list_containers())[0].id, 0)
        big = [{"name": "c", "image": "web:1", "resources": {"requests": {"cpu": "9"}}}]
        await client.create(PODS, pod("big", containers=big), "default")
        await client.create(PODS, pod("late", activeDeadlineSeconds=30), "default")
        await asyncio.sleep(2)
        assert (await status_of(client, "job"))["phase"] == "Succeeded"
        done = [item for item in await runtime.list_sandboxes() if item.name == "job"]
        assert [item.ready for item in done] == [False]
        big_status = await status_of(client, "big")
        assert (big_status["phase"], big_status["reason"]) == ("Failed", "OutOfcpu")
        assert (await status_of(client, "late"))["phase"] == "Running"
        await asyncio.sleep(30)
        late = await status_of(client, "late")
        assert (late["phase"], late["reason"]) == ("Failed", "DeadlineExceeded")
        assert "terminated" in late["containerStatuses"][0]["state"]

    on_nodes(1, test)


def test_resizes_that_do_not_fit_wait_for_room():
    def asking(cpu):
        return [{"name": "c", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}]

    async def test(client, fleet):
        for name, cpu in (("a", "1"), ("b", "2")):
            await client.create(PODS, pod(name, containers=asking(cpu)), "default")
        await asyncio.sleep(2)
        patch = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]}}
        await client.patch(
            PODS, "a", patch, "default", subresource="resize",
            patch_type="application/strategic-merge-patch+json",
        )  # fmt: skip
        await asyncio.sleep(2)
        status = await status_of(client, "a")
        pending = next(c for c in status["conditions"] if c["type"] == "PodResizePending")
        assert (pending["reason"], pending["observedGeneration"]) == ("Deferred", 2)
        assert status["allocatedResources"] == {"cpu": "1"}
        await client.delete(PODS, "b", "default")
        await asyncio.sleep(3)
        status = await status_of(client, "a")
        assert status["containerStatuses"][0]["resources"] == {"requests": {"cpu": "3"}}
        assert status["allocatedResources"] == {"cpu": "3"}
        assert not [c for c in status["conditions"] if c["type"].startswith("PodResize")]

    on_nodes(1, test)


def test_a_restarted_kubelet_leaves_running_containers_alone():
    async def test(client, fleet):
        runtime = fleet.kubelets["node-0"].runtime
        await client.create(PODS, pod("a"), "default")
        await asyncio.sleep(2)
        before = await runtime.list_containers()
        fleet._running.pop("node-0").cancel()  # the kubelet, not the power
        await client.delete(NODES, "node-0")
        fleet.start("node-0")
        await asyncio.sleep(20)
        assert await runtime.list_containers() == before
        assert (await client.get(NODES, "node-0"))["status"]["capacity"]["cpu"] == "4"

    on_nodes(1, test)


def test_fifty_nodes_keep_their_leases_and_run_pods():
    async def test(client, fleet):
        for number in range(50):
            await client.create(PODS, pod(f"p{number}", f"node-{number}"), "default")
        await asyncio.sleep(30)
        phases = {item["status"]["phase"] for item in (await client.list(PODS)).items}
        assert phases == {"Running"}
        leases = (await client.list(LEASES, "kube-node-lease")).items
        assert len(leases) == 50
        assert all(item["metadata"]["ownerReferences"][0]["kind"] == "Node" for item in leases)

    on_nodes(50, test)


def test_hollow_nodes_refuse_logs_and_exec_by_name():
    async def test(client, fleet):
        await client.create(PODS, pod("a"), "default")
        await asyncio.sleep(2)
        for path in ("/containerLogs/default/a/c", "/exec/default/a/c"):
            request = Request("GET", path, path, "command=ls&output=1", identity=API_SERVER)
            reply = await fleet.kubelets["node-0"].handler(request)
            assert (reply.status, b"is hollow" in reply.body) == (501, True), reply

    on_nodes(1, test)


def test_a_pod_deleted_in_the_moment_its_turn_was_to_begin_ends():
    async def test(client, fleet):
        await client.create(PODS, pod("a", terminationGracePeriodSeconds=1), "default")
        await asyncio.sleep(5)
        seen = await client.get(PODS, "a", "default")
        metadata = {**seen["metadata"], "deletionTimestamp": "2026-01-01T00:00:06Z"}
        kubelet = fleet.kubelets["node-0"]
        kubelet.pod_changed(seen, seen)  # wakes it
        kubelet.pod_changed(seen, {**seen, "metadata": metadata})  # before it has run
        await client.delete(PODS, "a", "default")
        await asyncio.sleep(10)
        assert (await client.list(PODS)).items == []

    on_nodes(1, test)
