# SPDX-License-Identifier: Apache-2.0
"""Memory of a whole cluster in one process with many nodes and pods: python -m benchmarks.memory.

`python -m benchmarks.memory [NODES [PODS]]`. Hollow nodes; real time.
"""

import asyncio
import sys
import time

from benchmarks.figures import pss, say
from pybernetes.apimachinery.types import GVR
from pybernetes.base import gcpolicy
from pybernetes.client.types import Client
from pybernetes.testing.cluster import Cluster

DEPLOYMENTS = GVR("apps", "v1", "deployments")
IDLE = 20.0


async def roll_out(client: Client, pods: int) -> None:
    container = {"name": "web", "image": "example.org/web:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": pods, "selector": selector, "template": template}
    await client.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec}, "default")
    async for event in client.watch(DEPLOYMENTS, "default"):
        if event.object.get("status", {}).get("availableReplicas") == pods:
            return


async def main(nodes: int, pods: int) -> None:
    gcpolicy.tune()
    begun = time.perf_counter()
    async with Cluster(nodes=nodes) as cluster:
        await cluster.wait_working(300)
        say(f"{nodes} hollow nodes Ready", f"{time.perf_counter() - begun:8.1f} s {pss():8.0f} MB")
        used = time.process_time()
        await asyncio.sleep(IDLE)
        share = (time.process_time() - used) / IDLE
        say("their heartbeats", f"{share * 100:8.1f} % of one core")
        before, begun = pss(), time.perf_counter()
        await roll_out(cluster.client(), pods)
        took, after = time.perf_counter() - begun, pss()
        say(f"{pods} pods of a Deployment available", f"{took:8.1f} s {pods / took:8.0f} pods/s")
        each = (after - before) * 1024 / pods
        say("memory with them (PSS)", f"{after:8.0f} MB {each:8.1f} KB a pod")


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:]] or [1000]
    asyncio.run(main(counts[0], counts[1] if len(counts) > 1 else 2 * counts[0]))
