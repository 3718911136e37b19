# SPDX-License-Identifier: Apache-2.0
"""DaemonSets, StatefulSets and disruption budgets over the real API server, in virtual time."""

import asyncio
import json

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object

PODS, NODES = GVR("", "v1", "pods"), GVR("", "v1", "nodes")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
DAEMON_SETS = GVR("apps", "v1", "daemonsets")
STATEFUL_SETS = GVR("apps", "v1", "statefulsets")
REVISIONS = GVR("apps", "v1", "controllerrevisions")
EVENTS = GVR("", "v1", "events")
BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
LABELS = {"app": "web"}
HASH = "controller-revision-hash"


def template(image: str = "i:1", **spec: object) -> Object:
    containers = [{"name": "c", "image": image}]
    return {"metadata": {"labels": LABELS}, "spec": {"containers": containers, **spec}}


def daemon_set(pod: Object | None = None, **spec: object) -> Object:
    spec = {"selector": {"matchLabels": LABELS}, "template": pod or template(), **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "web"},
        "spec": spec,
    }


def stateful_set(**spec: object) -> Object:
    own = {"selector": {"matchLabels": LABELS}, "template": template(), "serviceName": "web"}
    metadata = {"name": "web"}
    spec = {**own, **spec}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def node(name: str, labels: dict[str, str] | None = None, taints: list | None = None) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    spec = {"taints": taints} if taints else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


async def change(cluster, gvr: GVR, patch: Object) -> None:
    await cluster.client.patch(gvr, "web", patch, "default")


def settled(cluster, gvr: GVR, **counts: int):
    async def check() -> Object | None:
        obj = await cluster.client.get(gvr, "web", "default")
        status = obj.get("status") or {}
        current = status.get("observedGeneration") == obj["metadata"]["generation"]
        same = all(status.get(key, 0) == value for key, value in counts.items())
        return status if current and same else None

    return cluster.eventually(check, 600)


def image_of(pod: Object) -> str:
    return pod["spec"]["containers"][0]["image"]


def on_node(pod: Object) -> str:
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return terms[0]["matchFields"][0]["values"][0]


def test_a_daemon_set_has_a_pod_on_every_node_that_suits(in_cluster) -> None:
    async def main(cluster) -> None:
        taint = {"key": "only", "value": "x", "effect": "NoSchedule"}
        cordoned = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        for one in (node("n1"), node("n2", taints=[cordoned]), node("n3", taints=[taint])):
            await cluster.client.create(NODES, one)
        await cluster.create(DAEMON_SETS, daemon_set())
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=2, numberReady=2)
        pods = await cluster.list(PODS)
        assert sorted(map(on_node, pods)) == ["n1", "n2"]
        assert all(pod["metadata"]["labels"][HASH] for pod in pods)
        await cluster.client.patch(NODES, "n3", {"spec": {"taints": None}})
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=3, numberReady=3)
        await cluster.client.patch(
            NODES, "n1", {"spec": {"taints": [{**taint, "effect": "NoExecute"}]}}
        )
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=2, currentNumberScheduled=2)
        assert "n1" not in map(on_node, await cluster.list(PODS))

    in_cluster(main)


def test_a_node_selector_that_changes_moves_daemon_pods(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(NODES, node("n1"))
        picky = daemon_set(template(nodeSelector={"color": "blue"}))
        await cluster.create(DAEMON_SETS, picky)
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=0)
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"color": "blue"}}})
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=1, numberReady=1)
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"color": "green"}}})
        await settled(cluster, DAEMON_SETS, desiredNumberScheduled=0, currentNumberScheduled=0)
        await cluster.eventually(lambda: no_pods(cluster))

    in_cluster(main)


async def no_pods(cluster) -> bool:
    return not await cluster.list(PODS)


def test_daemon_pods_are_updated_one_node_at_a_time_and_can_go_back(in_cluster) -> None:
    async def main(cluster) -> None:
        for number in range(4):
            await cluster.client.create(NODES, node(f"n{number}"))
        await cluster.create(DAEMON_SETS, daemon_set())
        await settled(cluster, DAEMON_SETS, numberAvailable=4)
        cluster.ready = lambda pod: image_of(pod) == "i:1"
        await change(cluster, DAEMON_SETS, {"spec": {"template": template("i:2")}})
        await asyncio.sleep(15)
        images = sorted(map(image_of, await cluster.list(PODS)))
        assert images == ["i:1", "i:1", "i:1", "i:2"]  # the first new one is not ready yet
        cluster.ready = lambda _: True
        for pod in await cluster.list(PODS):
            poke = {"metadata": {"labels": {"poke": "1"}}}
            await cluster.client.patch(PODS, pod["metadata"]["name"], poke, "default")
        await settled(cluster, DAEMON_SETS, updatedNumberScheduled=4, numberAvailable=4)
        assert set(map(image_of, await cluster.list(PODS))) == {"i:2"}
        await change(cluster, DAEMON_SETS, {"spec": {"template": template("i:1")}})
        await settled(cluster, DAEMON_SETS, updatedNumberScheduled=4, numberAvailable=4)
        revisions = await cluster.list(REVISIONS)
        assert sorted(one["revision"] for one in revisions) == [2, 3]
        kept = json.dumps(revisions[0]["data"])
        assert kept == json.dumps(revisions[0]["data"], sort_keys=True)

    in_cluster(main)


def test_a_surge_makes_the_new_daemon_pod_before_the_old_one_goes(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(NODES, node("n1"))
        rolling = {"maxSurge": 1, "maxUnavailable": 0}
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
        await cluster.create(DAEMON_SETS, daemon_set(updateStrategy=strategy))
        await settled(cluster, DAEMON_SETS, numberAvailable=1)
        cluster.ready = lambda pod: image_of(pod) == "i:1"
        await change(cluster, DAEMON_SETS, {"spec": {"template": template("i:2")}})
        await asyncio.sleep(30)
        assert len(await cluster.list(PODS)) == 2

    in_cluster(main)


def test_a_failed_daemon_pod_is_replaced(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(NODES, node("n1"))
        await cluster.create(DAEMON_SETS, daemon_set())
        await settled(cluster, DAEMON_SETS, numberReady=1)
        (pod,) = await cluster.list(PODS)
        name = pod["metadata"]["name"]
        failed = {"status": {"phase": "Failed"}}
        await cluster.client.patch(PODS, name, failed, "default", subresource="status")
        await cluster.eventually(lambda: cluster.gone(PODS, name))
        await settled(cluster, DAEMON_SETS, numberReady=1)

    in_cluster(main)


def test_daemon_pods_that_fail_again_and_again_wait_longer_until_all_was_well(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.client.create(NODES, node("n1"))
        await cluster.client.patch(NODES, "n1", {"spec": {"taints": None}})
        await cluster.create(DAEMON_SETS, daemon_set())

        async def fail() -> float:
            """Seconds until a pod that failed is removed."""
            (pod,) = await cluster.eventually(lambda: cluster.list(PODS))
            name, start = pod["metadata"]["name"], cluster.env.clock.monotonic()
            failed = {"status": {"phase": "Failed"}}
            await cluster.client.patch(PODS, name, failed, "default", subresource="status")
            await cluster.eventually(lambda: cluster.gone(PODS, name))
            return cluster.env.clock.monotonic() - start

        waits = [await fail() for _ in range(6)]
        assert waits == sorted(waits)
        assert waits[-1] > 10
        await asyncio.sleep(3600)
        await fail()
        assert await fail() < 3

    in_cluster(main, controllers=("*", "-node-lifecycle-controller"))  # the node has no kubelet


async def names(cluster) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in await cluster.list(PODS))


def test_a_stateful_set_starts_in_order_and_shrinks_from_the_end(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.ready = lambda pod: pod["metadata"]["name"] != "web-1"
        claim = {
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        await cluster.create(STATEFUL_SETS, stateful_set(replicas=3, volumeClaimTemplates=[claim]))
        await asyncio.sleep(20)
        assert await names(cluster) == ["web-0", "web-1"]  # web-1 is not ready
        cluster.ready = lambda _: True
        labels = {"metadata": {"labels": {"poke": "1"}}}
        await cluster.client.patch(PODS, "web-1", labels, "default")
        await settled(cluster, STATEFUL_SETS, readyReplicas=3, currentReplicas=3)
        first = await cluster.client.get(PODS, "web-0", "default")
        assert first["spec"]["hostname"] == "web-0"
        assert first["spec"]["subdomain"] == "web"
        assert first["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "0"
        volume = first["spec"]["volumes"][0]
        assert volume["persistentVolumeClaim"]["claimName"] == "data-web-0"
        claims = sorted(one["metadata"]["name"] for one in await cluster.list(CLAIMS))
        assert claims == ["data-web-0", "data-web-1", "data-web-2"]
        await change(cluster, STATEFUL_SETS, {"spec": {"replicas": 1}})
        await settled(cluster, STATEFUL_SETS, replicas=1)
        assert await names(cluster) == ["web-0"]
        assert len(await cluster.list(CLAIMS)) == 3
        told = {(one["reason"], one["message"]) for one in await cluster.list(EVENTS)}
        assert told >= {
            ("SuccessfulCreate", "Create Pod web-0 in StatefulSet web successful"),
            ("SuccessfulCreate", "Create Claim data-web-0 Pod web-0 in StatefulSet web success"),
            ("SuccessfulDelete", "Delete Pod web-2 in StatefulSet web successful"),
        }

    in_cluster(main)


def test_updates_go_down_to_the_partition_and_back(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(STATEFUL_SETS, stateful_set(replicas=3))
        first = await settled(cluster, STATEFUL_SETS, readyReplicas=3)
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        patch = {"spec": {"template": template("i:2"), "updateStrategy": strategy}}
        await change(cluster, STATEFUL_SETS, patch)
        status = await settled(cluster, STATEFUL_SETS, updatedReplicas=1, readyReplicas=3)
        assert status["currentRevision"] == first["currentRevision"] != status["updateRevision"]
        pods = {pod["metadata"]["name"]: pod for pod in await cluster.list(PODS)}
        images = [pods[f"web-{n}"]["spec"]["containers"][0]["image"] for n in range(3)]
        assert images == ["i:1", "i:1", "i:2"]
        await cluster.client.delete(PODS, "web-0", "default")  # an old one comes back as old
        await asyncio.sleep(10)
        await settled(cluster, STATEFUL_SETS, readyReplicas=3, updatedReplicas=1)
        pod = await cluster.client.get(PODS, "web-0", "default")
        assert pod["spec"]["containers"][0]["image"] == "i:1"
        rolling = {"rollingUpdate": {"partition": 0}}
        await change(cluster, STATEFUL_SETS, {"spec": {"updateStrategy": rolling}})
        status = await settled(cluster, STATEFUL_SETS, updatedReplicas=3, readyReplicas=3)
        assert status["currentRevision"] == status["updateRevision"]

    in_cluster(main)


def test_parallel_sets_start_at_once_and_failed_pods_are_made_anew(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.ready = lambda _: False
        await cluster.create(
            STATEFUL_SETS, stateful_set(replicas=3, podManagementPolicy="Parallel")
        )
        await cluster.eventually(lambda: has(cluster, ["web-0", "web-1", "web-2"]))
        old = await cluster.client.get(PODS, "web-1", "default")
        failed = {"status": {"phase": "Failed"}}
        await cluster.client.patch(PODS, "web-1", failed, "default", subresource="status")

        async def anew() -> bool:
            try:
                pod = await cluster.client.get(PODS, "web-1", "default")
            except ApiError:
                return False
            return pod["metadata"]["uid"] != old["metadata"]["uid"]

        await cluster.eventually(anew)

    in_cluster(main)


async def has(cluster, wanted: list[str]) -> bool:
    return await names(cluster) == wanted


def test_a_budget_counts_its_pods_and_bounds_evictions(in_cluster) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"maxUnavailable": "34%", "selector": {"matchLabels": LABELS}},
    }

    async def evict(cluster, name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        await cluster.client.create(PODS, eviction, "default", name=name, subresource="eviction")

    async def main(cluster) -> None:
        cluster.grace = 20.0
        await cluster.create(STATEFUL_SETS, stateful_set(replicas=3))
        await settled(cluster, STATEFUL_SETS, readyReplicas=3)
        await cluster.create(BUDGETS, budget)
        status = await settled(cluster, BUDGETS, expectedPods=3, disruptionsAllowed=2)
        assert status["desiredHealthy"] == 1
        assert status["conditions"][0]["reason"] == "SufficientPods"
        await evict(cluster, "web-0")
        await evict(cluster, "web-1")
        await settled(cluster, BUDGETS, disruptionsAllowed=0)
        with pytest.raises(ApiError) as caught:
            await evict(cluster, "web-2")
        assert caught.value.code == 429

    in_cluster(main)
