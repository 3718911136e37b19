# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for its cluster, fresh or forked: python -m benchmarks.fixture [OBJECTS].

A fresh cluster is there when a pod can be created and would run: controllers, scheduler and one
hollow node work. Only the first of a process also imports the code. A fork is there with its first
answer; its first reconcile is a Deployment's ReplicaSet, which its controllers (asleep until then)
make. Times are the process's CPU time where that says more than a busy machine's clock.
"""

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from benchmarks.figures import pss, say
from pybernetes.apimachinery.types import GVR

if TYPE_CHECKING:
    from pybernetes.testing.cluster import Cluster

ROUNDS = 20
OBJECTS = 10_000
AT_ONCE = 50
NAMESPACES = GVR("", "v1", "namespaces")
CONFIG_MAPS, DEPLOYMENTS = GVR("", "v1", "configmaps"), GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")


async def main(count: int) -> None:
    begun = time.perf_counter()
    from pybernetes.testing.cluster import Cluster

    imported = time.perf_counter() - begun
    ready: list[float] = []
    gone: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        async with Cluster(nodes=1) as cluster:
            await cluster.wait_working()
            there = time.perf_counter()
        ready.append(there - begun)
        gone.append(time.perf_counter() - there)
    say("imports, once a process", f"{imported * 1000:8.0f} ms")
    say("first cluster after them", f"{ready[0] * 1000:8.0f} ms")
    say("fresh cluster, median (slowest)", f"{_ms(ready)} ({max(ready[1:]) * 1000:.0f} ms)")
    say("its end, median", _ms(gone))
    async with Cluster(nodes=1) as cluster:
        await cluster.wait_working()
        await forks(cluster, "fork of an empty cluster")
        await fill(cluster, count)
        await forks(cluster, f"fork of {count:,} objects")
    say("memory of the process (PSS)", f"{pss():8.0f} MB after {ROUNDS} clusters and their forks")


async def fill(cluster: "Cluster", count: int) -> None:
    """`count` objects of about 1 KB, with a label that an index is made for."""
    client = cluster.client()

    async def some(first: int) -> None:
        for number in range(first, count, AT_ONCE):
            labels = {"app": f"app-{number % 100}"}
            metadata = {"name": f"object-{number}", "labels": labels}
            data = {"text": "x" * 600}
            await client.create(CONFIG_MAPS, {"metadata": metadata, "data": data}, "default")

    await asyncio.gather(*(some(first) for first in range(AT_ONCE)))
    await client.list(CONFIG_MAPS, "default", label_selector="app=app-1")


async def forks(cluster: "Cluster", title: str) -> None:
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        gc.collect()
        async for what, spent, clock in phases(cluster):
            times.setdefault(what, []).append(spent)
            times.setdefault(f"{what}, by the clock", []).append(clock)
    for what, found in times.items():
        say(f"{title}: {what}", f"{_ms(found, 2)}")


async def phases(cluster: "Cluster") -> AsyncIterator[tuple[str, float, float]]:
    """(what, CPU seconds since the fork began, seconds by the clock)."""
    cpu, clock = time.process_time(), time.perf_counter()

    def now(what: str) -> tuple[str, float, float]:
        return what, time.process_time() - cpu, time.perf_counter() - clock

    copy = cluster.store.fork()
    yield now("the store alone")
    await copy.close()
    cpu, clock = time.process_time(), time.perf_counter()
    fork = cluster.fork()
    yield now("the whole cluster")
    await fork.client().get(NAMESPACES, "default")
    yield now("to its first GET")
    async with fork:
        client = fork.client()
        made = await client.create(DEPLOYMENTS, deployment(), "default")
        async for event in client.watch(REPLICA_SETS, "default"):
            owners: list[dict[str, Any]] = event.object["metadata"].get("ownerReferences") or []
            if owners and owners[0]["uid"] == made["metadata"]["uid"]:
                break
        yield now("to its first reconcile")


def deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    containers = [{"name": "web", "image": "example.org/web:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


def _ms(times: list[float], digits: int = 0) -> str:
    return f"{statistics.median(times) * 1000:8.{digits}f} ms"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else OBJECTS))
