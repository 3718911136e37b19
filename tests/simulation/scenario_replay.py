# SPDX-License-Identifier: Apache-2.0
"""Rollouts, a dead node, its return, a namespace that goes, an hour; prints a digest of the event log.

python scenario_replay.py SEED NODES REPLICAS [LOG]
"""

import asyncio
import hashlib
import json
import sys
from typing import Any

from pybernetes.apimachinery.types import GVR
from pybernetes.simulation.world import World, simulate

DEPLOYMENTS = GVR("apps", "v1", "deployments")
PODS = GVR("", "v1", "pods")
NAMESPACES = GVR("", "v1", "namespaces")
SERVICES = GVR("", "v1", "services")
ACCOUNTS = GVR("", "v1", "serviceaccounts")


def deployment(replicas: int, version: str) -> dict[str, object]:
    container = {
        "name": "web",
        "image": f"example.org/web:{version}",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
        },
    }


async def scenario(world: World, replicas: int) -> dict[str, object]:
    client = world.client

    async def ready(version: str) -> bool:
        found = await client.get(DEPLOYMENTS, "web", "default")
        status = found.get("status", {})
        return (
            status.get("observedGeneration") == found["metadata"]["generation"]
            and status.get("updatedReplicas") == replicas
            and status.get("availableReplicas") == replicas
            and status.get("replicas") == replicas
        )

    async def pods_on(node: str) -> int:
        found = await client.list(PODS, "default", field_selector=f"spec.nodeName={node}")
        return len([pod for pod in found.items if not pod["metadata"].get("deletionTimestamp")])

    await client.create(DEPLOYMENTS, deployment(replicas, "1"), "default")
    first = await world.wait_for(lambda: ready("1"), seconds=900)
    patch = {"spec": {"template": deployment(replicas, "2")["spec"]["template"]}}  # type: ignore[index]
    await client.patch(DEPLOYMENTS, "web", patch, "default")
    second = await world.wait_for(lambda: ready("2"), seconds=1800)
    victim = "hollow-1"
    assert await pods_on(victim) > 0
    world.stop_node(victim)

    async def moved() -> bool:
        return await pods_on(victim) == 0 and await ready("2")

    third = await world.wait_for(moved, seconds=1800)
    await asyncio.sleep(1800)
    world.start_node(victim)
    await _other_work(world)
    await asyncio.sleep(1800)
    text = world.log.text()
    return {
        "rolled_out": first,
        "updated": second,
        "moved": third,
        "changes": len(world.log.lines),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "log": text,
    }


async def _other_work(world: World) -> None:
    """A namespace of services, accounts and pods comes and goes."""
    client = world.client
    await client.create(NAMESPACES, {"metadata": {"name": "brief"}})
    await asyncio.sleep(1)
    ports = [{"port": 80}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    await client.create(SERVICES, service, "brief")
    await client.create(ACCOUNTS, {"metadata": {"generateName": "robot-"}}, "brief")
    await client.create(DEPLOYMENTS, deployment(4, "3"), "brief")
    await asyncio.sleep(30)
    await client.delete(NAMESPACES, "brief")

    async def gone() -> bool:
        return "brief" not in [item["metadata"]["name"] for item in await _namespaces(world)]

    await world.wait_for(gone, seconds=120)


async def _namespaces(world: World) -> list[dict[str, Any]]:
    return (await world.client.list(NAMESPACES)).items


def main() -> None:
    seed, nodes, replicas = (int(word) for word in sys.argv[1:4])
    result = simulate(lambda world: scenario(world, replicas), seed=seed, nodes=nodes)
    if len(sys.argv) > 4:
        with open(sys.argv[4], "w", encoding="utf-8") as file:
            file.write(str(result["log"]))
    del result["log"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
