# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for its cluster, fresh or forked: python -m benchmarks.fixture [OBJECTS...].

A fresh cluster is there when a pod can be created and would run: controllers, scheduler and one
hollow node work. Only the first of a process also imports the code. A fork is there with its first
answer; its first reconcile is a Deployment's ReplicaSet, which its controllers (asleep until then)
make; then its pod runs on its (hollow) node. Times are the process's CPU time, the clock's in brackets:
the difference is what others on the machine took. Memory of a fork is what Python allocates for it.
"""

import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from benchmarks.figures import pss, say
from pybernetes.apimachinery.types import GVR

if TYPE_CHECKING:
    from pybernetes.client.types import Client
    from pybernetes.testing.cluster import Cluster

ROUNDS = 20
HELD = 10  # forks at a time, whose memory is measured
OBJECTS = (0, 1_000, 10_000)
AT_ONCE = 50
Times = dict[str, list[tuple[float, float]]]  # what -> (CPU seconds, seconds)
NAMESPACES, PODS = GVR("", "v1", "namespaces"), GVR("", "v1", "pods")
CONFIG_MAPS, DEPLOYMENTS = GVR("", "v1", "configmaps"), GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")


class Watch:
    """Seconds since it was made: of CPU, and by the clock."""

    def __init__(self) -> None:
        self._cpu, self._clock = time.process_time(), time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        return time.process_time() - self._cpu, time.perf_counter() - self._clock


async def main(sizes: tuple[int, ...]) -> None:
    watch = Watch()
    from pybernetes.testing.cluster import Cluster

    say("imports, once a process", _ms([watch()]))
    times: Times = {}
    for number in range(ROUNDS):
        gc.collect()
        watch = Watch()
        async with Cluster(nodes=1) as cluster:
            await cluster.wait_working()
            times.setdefault("fresh cluster" if number else "first cluster", []).append(watch())
            await rolled_out(cluster.client())
            times.setdefault("fresh cluster: a Deployment's pod runs", []).append(watch())
            watch = Watch()
        times.setdefault("its end", []).append(watch())
    tell(times)
    there = 0
    async with Cluster(nodes=1) as cluster:
        await cluster.wait_working()
        for size in sizes:
            await fill(cluster, there, size)
            there = size
            await forks(cluster, f"fork of {size:,} objects")
    say("memory of the process (PSS)", f"{pss():8.0f} MB after {ROUNDS} clusters and their forks")


async def fill(cluster: "Cluster", there: int, count: int) -> None:
    """`count` objects of about 1 KB, with a label that an index is made for."""
    client = cluster.client()

    async def some(first: int) -> None:
        for number in range(first, count, AT_ONCE):
            labels = {"app": f"app-{number % 100}"}
            metadata = {"name": f"object-{number}", "labels": labels}
            data = {"text": "x" * 600}
            await client.create(CONFIG_MAPS, {"metadata": metadata, "data": data}, "default")

    await asyncio.gather(*(some(there + first) for first in range(AT_ONCE)))
    await client.list(CONFIG_MAPS, "default", label_selector="app=app-1")


async def forks(cluster: "Cluster", title: str) -> None:
    times: Times = {}
    for _ in range(ROUNDS):
        gc.collect()
        async for what, spent in phases(cluster):
            times.setdefault(f"{title}: {what}", []).append(spent)
    tell(times)
    for what, write in (("until it writes", False), ("after its first write", True)):
        size = await memory(cluster, write=write)
        say(f"{title}: memory {what}", f"{size / 1000:8.0f} KB")


async def phases(cluster: "Cluster") -> AsyncIterator[tuple[str, tuple[float, float]]]:
    """(what, time since the fork began)."""
    watch = Watch()
    copy = cluster.store.fork()
    yield "the store alone", watch()
    await copy.close()
    watch = Watch()
    fork = cluster.fork()
    yield "the whole cluster", watch()
    await fork.client().get(NAMESPACES, "default")
    yield "to its first GET", watch()
    async with fork:
        client = fork.client()
        made = await client.create(DEPLOYMENTS, deployment(), "default")
        async for event in client.watch(REPLICA_SETS, "default"):
            owners: list[dict[str, Any]] = event.object["metadata"].get("ownerReferences") or []
            if owners and owners[0]["uid"] == made["metadata"]["uid"]:
                break
        yield "to its first reconcile", watch()
        await available(client)
        yield "to a Deployment's pod that runs", watch()
        watch = Watch()
    yield "its end", watch()


async def rolled_out(client: "Client") -> None:
    await client.create(DEPLOYMENTS, deployment(), "default")
    await available(client)


async def available(client: "Client") -> None:
    async for event in client.watch(DEPLOYMENTS, "default"):
        if event.object.get("status", {}).get("availableReplicas") == 1:
            return


async def memory(cluster: "Cluster", *, write: bool) -> float:
    """Bytes that a fork allocates, alive and answering; `write`: and an object is created in it."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    held = [await cluster.fork().__aenter__() for _ in range(HELD)]
    for fork in held:
        await fork.client().get(NAMESPACES, "default")
        if write:
            obj = {"metadata": {"name": "new"}}
            await fork.client().create(CONFIG_MAPS, obj, "default")
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for fork in held:
        await fork.__aexit__(None, None, None)
    return (after - before) / HELD


def deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    containers = [{"name": "web", "image": "example.org/web:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


def tell(times: Times) -> None:
    for what, found in times.items():
        say(what, _ms(found))


def _ms(times: list[tuple[float, float]]) -> str:
    cpu, clock = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    return f"{cpu:8.2f} ms ({clock:.2f} ms)"


if __name__ == "__main__":
    asyncio.run(main(tuple(map(int, sys.argv[1:])) or OBJECTS))
