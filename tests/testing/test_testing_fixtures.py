# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin and the in-process cluster, used as their users do."""

import asyncio

from pybernetes.apimachinery.types import GVR
from pybernetes.client.types import Client
from pybernetes.testing.cluster import Cluster

DEPLOYMENTS = GVR("apps", "v1", "deployments")
NAMESPACES = GVR("", "v1", "namespaces")
PODS = GVR("", "v1", "pods")


def deployment(replicas: int) -> dict[str, object]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.org/web:1"}]},
    }
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        },
    }


async def all_available(client: Client, count: int) -> None:
    async with asyncio.timeout(20):
        async for event in client.watch(DEPLOYMENTS, "default"):
            if event.object.get("status", {}).get("availableReplicas") == count:
                return


async def test_a_deployment_becomes_available(pybernetes_client: Client) -> None:
    await pybernetes_client.create(DEPLOYMENTS, deployment(3), "default")
    await all_available(pybernetes_client, 3)
    pods = await pybernetes_client.list(PODS, "default", label_selector="app=web")
    assert {pod["status"]["phase"] for pod in pods.items} == {"Running"}
    assert len({pod["status"]["podIP"] for pod in pods.items}) == 3


async def test_each_test_has_its_own_cluster(pybernetes_cluster: Cluster) -> None:
    client = pybernetes_cluster.client()
    assert (await client.list(PODS, "")).items == []
    # A bare pod works at once: its namespace has its service account already.
    container = {"name": "web", "image": "example.org/web:1"}
    await client.create(
        PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container]}}, "default"
    )


async def test_a_namespace_really_goes_away(pybernetes_client: Client) -> None:
    client = pybernetes_client
    await client.create(NAMESPACES, {"metadata": {"name": "gone"}})
    await client.create(DEPLOYMENTS, deployment(2), "gone")
    await client.delete(NAMESPACES, "gone")
    async with asyncio.timeout(20):
        async for event in client.watch(NAMESPACES, field_selector="metadata.name=gone"):
            if event.type == "DELETED":
                break
    assert (await client.list(PODS, "")).items == []


def test_the_cluster_works_under_plain_asyncio() -> None:
    async def main() -> str:
        async with Cluster(nodes=2) as cluster:
            await cluster.wait_working()
            client = cluster.client()
            await client.create(DEPLOYMENTS, deployment(4), "default")
            await all_available(client, 4)
            cluster.fleet.stop("hollow-0")
            assert list(cluster.fleet.kubelets) == ["hollow-1"]
        return "done"

    assert asyncio.run(main()) == "done"
