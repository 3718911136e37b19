# SPDX-License-Identifier: Apache-2.0
"""Namespaces, garbage and nodes over the real API server, in virtual time."""

import asyncio

from pybernetes.apimachinery.timestamps import rfc3339_micro
from pybernetes.apimachinery.types import GVR, Object

CONFIG_MAPS = GVR("", "v1", "configmaps")
NAMESPACES = GVR("", "v1", "namespaces")
NODES = GVR("", "v1", "nodes")
PODS = GVR("", "v1", "pods")
EVENTS = GVR("", "v1", "events")
ACCOUNTS = GVR("", "v1", "serviceaccounts")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")


def pod(name: str, **spec: object) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def node(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def config_map(name: str, *owners: Object) -> Object:
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for owner in owners
    ]
    metadata = {"name": name, "ownerReferences": references}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def new_namespace(cluster, name: str) -> None:
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.client.create(NAMESPACES, obj)


async def has(cluster, gvr: GVR, name: str, namespace: str) -> bool:
    return not await cluster.gone(gvr, name, namespace)


def test_a_namespace_is_furnished_and_its_deletion_finishes_pods_first(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.grace = 10.0
        await new_namespace(cluster, "shop")
        await cluster.eventually(lambda: has(cluster, ACCOUNTS, "default", "shop"))
        await cluster.eventually(lambda: has(cluster, CONFIG_MAPS, "kube-root-ca.crt", "shop"))
        await cluster.create(CONFIG_MAPS, config_map("stays"), "shop")
        await cluster.create(PODS, pod("web", nodeName="n1"), "shop")
        await asyncio.sleep(1)
        await cluster.client.delete(NAMESPACES, "shop")
        await asyncio.sleep(5)
        assert await has(cluster, CONFIG_MAPS, "stays", "shop")
        namespace = await cluster.client.get(NAMESPACES, "shop")
        said = {one["type"]: one["message"] for one in namespace["status"]["conditions"]}
        assert said["NamespaceContentRemaining"] == (
            "Some resources are remaining: pods. has 1 resource instances"
        )
        await cluster.eventually(lambda: cluster.gone(NAMESPACES, "shop", ""), 30)
        assert await cluster.list(CONFIG_MAPS, "shop") == []

    in_cluster(main)


def test_garbage_goes_with_its_last_owner(in_cluster) -> None:
    async def main(cluster) -> None:
        first = await cluster.create(CONFIG_MAPS, config_map("first"))
        second = await cluster.create(CONFIG_MAPS, config_map("second"))
        await cluster.create(CONFIG_MAPS, config_map("both", first, second))
        child = await cluster.create(CONFIG_MAPS, config_map("child", second))
        await cluster.create(CONFIG_MAPS, config_map("grandchild", child))
        await cluster.client.delete(CONFIG_MAPS, "second", "default")
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "grandchild"))
        both = await cluster.client.get(CONFIG_MAPS, "both", "default")
        assert [ref["name"] for ref in both["metadata"]["ownerReferences"]] == ["first"]
        never = {"metadata": {"name": "never", "uid": "00000000-0000-0000-0000-000000000000"}}
        await cluster.create(CONFIG_MAPS, config_map("lost", never))
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "lost"))

    in_cluster(main)


def test_foreground_waits_for_dependents_and_orphan_leaves_them(in_cluster) -> None:
    async def main(cluster) -> None:
        for name, policy in (("front", "Foreground"), ("orphan", "Orphan")):
            owner = await cluster.create(CONFIG_MAPS, config_map(name))
            held = config_map(f"{name}-child", owner)
            held["metadata"]["finalizers"] = ["example.com/hold"]
            await cluster.create(CONFIG_MAPS, held)
            await asyncio.sleep(1)
            options = {"propagationPolicy": policy}
            await cluster.client.delete(CONFIG_MAPS, name, "default", options=options)
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "orphan"))
        left = await cluster.client.get(CONFIG_MAPS, "orphan-child", "default")
        assert "ownerReferences" not in left["metadata"]
        assert "deletionTimestamp" not in left["metadata"]
        await asyncio.sleep(10)
        front = await cluster.client.get(CONFIG_MAPS, "front", "default")
        assert front["metadata"]["finalizers"] == ["foregroundDeletion"]
        release = {"metadata": {"finalizers": None}}
        await cluster.client.patch(CONFIG_MAPS, "front-child", release, "default")
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "front"))

    in_cluster(main)


def test_a_second_owner_keeps_what_the_first_waits_for_and_circles_end(in_cluster) -> None:
    async def main(cluster) -> None:
        front = {"propagationPolicy": "Foreground"}
        stays = await cluster.create(CONFIG_MAPS, config_map("stays"))
        goes = await cluster.create(CONFIG_MAPS, config_map("goes"))
        await cluster.create(CONFIG_MAPS, config_map("shared", stays, goes))
        await asyncio.sleep(1)
        await cluster.client.delete(CONFIG_MAPS, "goes", "default", options=front)
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "goes"))
        shared = await cluster.client.get(CONFIG_MAPS, "shared", "default")
        assert [ref["name"] for ref in shared["metadata"]["ownerReferences"]] == ["stays"]
        first = await cluster.create(CONFIG_MAPS, config_map("circle-1"))
        second = await cluster.create(CONFIG_MAPS, config_map("circle-2", first))
        back = config_map("circle-1", second)["metadata"]
        await cluster.client.patch(CONFIG_MAPS, "circle-1", {"metadata": back}, "default")
        await asyncio.sleep(1)
        await cluster.client.delete(CONFIG_MAPS, "circle-1", "default", options=front)
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "circle-1"))
        await cluster.eventually(lambda: cluster.gone(CONFIG_MAPS, "circle-2"))

    in_cluster(main)


def test_deleting_a_deployment_takes_everything_below_it(in_cluster) -> None:
    async def main(cluster) -> None:
        labels = {"app": "x"}
        template = {"metadata": {"labels": labels}, "spec": pod("")["spec"]}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}
        await cluster.create(DEPLOYMENTS, {**obj, "spec": spec})

        async def two_pods():
            return len(await cluster.list(PODS)) == 2

        await cluster.eventually(two_pods)
        options = {"propagationPolicy": "Foreground"}
        await cluster.client.delete(DEPLOYMENTS, "x", "default", options=options)
        await cluster.eventually(lambda: cluster.gone(DEPLOYMENTS, "x"))
        assert await cluster.list(REPLICA_SETS) == []
        await asyncio.sleep(1)
        assert await cluster.list(PODS) == []

    in_cluster(main)


class Kubelet:
    """Keeps a node's lease fresh until it `dies`."""

    def __init__(self, cluster, name: str) -> None:
        self.cluster, self.name, self.alive = cluster, name, True

    async def register(self) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        await self.cluster.client.create(NODES, node(self.name))
        status = {"status": {"conditions": [ready]}}
        await self.cluster.client.patch(NODES, self.name, status, subresource="status")
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        lease["metadata"] = {"name": self.name, "namespace": "kube-node-lease"}
        lease["spec"] = {"holderIdentity": self.name, "leaseDurationSeconds": 40}
        await self.cluster.client.create(LEASES, lease, "kube-node-lease")

    async def run(self) -> None:
        while self.alive:
            spec = {"renewTime": rfc3339_micro(self.cluster.env.clock.now())}
            await self.cluster.client.patch(LEASES, self.name, {"spec": spec}, "kube-node-lease")
            await asyncio.sleep(10)


def test_pods_of_a_dead_node_are_evicted_after_their_toleration(in_cluster) -> None:
    async def main(cluster) -> None:
        if await cluster.gone(NAMESPACES, "kube-node-lease", ""):
            await new_namespace(cluster, "kube-node-lease")
        kubelets = [Kubelet(cluster, name) for name in ("n1", "n2")]
        for kubelet in kubelets:
            await kubelet.register()
        short = {"key": "node.kubernetes.io/unreachable", "operator": "Exists"}
        short |= {"effect": "NoExecute", "tolerationSeconds": 30}
        forever = {"operator": "Exists"}
        await cluster.create(PODS, pod("goes", nodeName="n1", tolerations=[short]))
        await cluster.create(PODS, pod("stays", nodeName="n1", tolerations=[forever]))
        async with asyncio.TaskGroup() as group:
            for kubelet in kubelets:
                group.create_task(kubelet.run())
            await asyncio.sleep(120)
            node = await cluster.client.get(NODES, "n1")
            assert (
                node["spec"]["podCIDR"]
                != (await cluster.client.get(NODES, "n2"))["spec"]["podCIDR"]
            )
            assert "taints" not in node["spec"]
            kubelets[0].alive = False
            died = cluster.env.clock.monotonic()

            async def tainted():
                node = await cluster.client.get(NODES, "n1")
                taints = node["spec"].get("taints", [])
                return {(one["key"], one["effect"]) for one in taints} == {
                    ("node.kubernetes.io/unreachable", "NoSchedule"),
                    ("node.kubernetes.io/unreachable", "NoExecute"),
                }

            await cluster.eventually(tainted)
            noticed = cluster.env.clock.monotonic()
            assert 40 <= noticed - died <= 51
            lost = await cluster.client.get(PODS, "stays", "default")
            (ready,) = [one for one in lost["status"]["conditions"] if one["type"] == "Ready"]
            assert ready["status"] == "False"
            await cluster.eventually(lambda: cluster.gone(PODS, "goes"))
            assert 29 <= cluster.env.clock.monotonic() - noticed <= 32
            assert await has(cluster, PODS, "stays", "default")
            await cluster.client.delete(NODES, "n1")
            await cluster.eventually(lambda: cluster.gone(PODS, "stays"))
            kubelets[1].alive = False
        reasons = {event["reason"] for event in await cluster.list(EVENTS)}
        assert {"RegisteredNode", "RemovingNode", "NodeNotReady", "TaintManagerEviction"} <= reasons

    in_cluster(main)


def test_nobody_is_evicted_when_all_nodes_are_lost(in_cluster) -> None:
    async def main(cluster) -> None:
        if await cluster.gone(NAMESPACES, "kube-node-lease", ""):
            await new_namespace(cluster, "kube-node-lease")
        await Kubelet(cluster, "n1").register()
        await cluster.create(PODS, pod("stays", nodeName="n1", tolerations=[]))
        await asyncio.sleep(600)

        async def effects():
            node = await cluster.client.get(NODES, "n1")
            return sorted(one["effect"] for one in node["spec"]["taints"])

        async def evicts():
            return await effects() == ["NoExecute", "NoSchedule"]

        async def waits():
            return await effects() == ["NoSchedule"]

        assert await waits()
        assert await has(cluster, PODS, "stays", "default")
        await Kubelet(cluster, "n2").register()
        await cluster.eventually(evicts, 15)  # now it is known that n1 alone is lost
        await cluster.eventually(waits, 60)  # n2 fell silent too

    in_cluster(main)


def test_a_range_comes_back_from_a_node_that_never_got_it(in_cluster) -> None:
    async def main(cluster) -> None:
        for name in ("a", "b", "c"):  # gone before its range is written
            await cluster.client.create(NODES, node(name))
            await cluster.client.delete(NODES, name)
        await asyncio.sleep(5)
        for name in ("d", "e"):
            await cluster.client.create(NODES, node(name))

        async def both():
            nodes = await cluster.list(NODES, "")
            return len({node["spec"].get("podCIDR", "") for node in nodes} - {""}) == 2

        await cluster.eventually(both, 30)

    in_cluster(main, cluster_cidrs=("10.244.0.0/23",))


def test_pods_of_a_node_found_lost_are_not_ready(in_cluster) -> None:
    """As after a crash between the node's mark and its pods'."""

    async def main(cluster) -> None:
        await cluster.create(PODS, pod("web", nodeName="n1"))
        await asyncio.sleep(1)
        lost = [{"type": "Ready", "status": "Unknown"}]
        await cluster.client.create(NODES, {**node("n1"), "status": {"conditions": lost}})

        async def marked() -> bool:
            found = await cluster.client.get(PODS, "web", "default")
            return [one["status"] for one in found["status"]["conditions"]] == ["False"]

        await cluster.eventually(marked, 30)

    in_cluster(main)
