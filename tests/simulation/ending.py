# SPDX-License-Identifier: Apache-2.0
"""What must hold in the end, once nothing breaks any more; `faults_of` has what does not.

- Everything is as asked: pods, their versions, their readiness; statuses and endpoints say so; the Job is complete.
- Nothing is left over: no orphan, no finalizer, no pod of nobody, no container of no pod, no taint.
- No two pods share an address.
- It is quiet: but for heartbeats, nobody writes any more.
- Nothing is stale: caches of API servers and informers hold what the store holds.
"""

import asyncio
import functools
from collections import Counter
from typing import Any

from pybernetes.apimachinery.types import GVR
from pybernetes.apiserver.cache.resource import ResourceCache
from pybernetes.client.informer import Informers
from tests.simulation.breaking import ChaosWorld
from tests.simulation.story import (
    COMPLETIONS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    Object,
    Story,
    insist,
)

REPLICA_SETS, NODES = GVR("apps", "v1", "replicasets"), GVR("", "v1", "nodes")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
OWNED = (PODS, REPLICA_SETS, SLICES, GVR("apps", "v1", "controllerrevisions"))
OWNERS = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS, JOBS, SERVICES, NODES)
HEARTBEATS = ("/registry/minions/", "/registry/leases/", "/registry/events/")
QUIET = 30.0  # virtual seconds without a change


async def everything(world: ChaosWorld, gvrs: tuple[GVR, ...]) -> dict[GVR, list[Object]]:
    return {gvr: (await insist(functools.partial(world.client.list, gvr))).items for gvr in gvrs}


def ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return "deletionTimestamp" not in pod["metadata"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )


def summary(pod: Object) -> str:
    words = [pod["status"]["phase"], "ready" if ready(pod) else "not ready"]
    words.append(pod["spec"]["containers"][0]["image"].rpartition("/")[2])
    if stamp := pod["metadata"].get("deletionTimestamp"):
        words += ["deleted", stamp, "on", pod["spec"].get("nodeName", "no node")]
    return " ".join(words)


async def faults_of(world: ChaosWorld, story: Story) -> list[str]:
    """What is not as it must be in the end."""
    there = await everything(world, tuple(dict.fromkeys((*OWNED, *OWNERS))))
    found: list[str] = []

    def check(what: str, is_: Any, must: Any) -> None:
        if is_ != must:
            found.append(f"{what}: {is_}, not {must}")

    pods = {
        app: [p for p in there[PODS] if p["metadata"]["labels"]["app"] == app]
        for app in ("web", "db", "batch")
    }
    check("Deployments", [d["metadata"]["name"] for d in there[DEPLOYMENTS]], ["web"])
    status = there[DEPLOYMENTS][0].get("status", {})
    counts = [
        status.get(key, 0)
        for key in ("replicas", "updatedReplicas", "availableReplicas", "unavailableReplicas")
    ]
    check("web's status", counts, [story.web, story.web, story.web, 0])
    check("web's pods", [summary(pod) for pod in pods["web"]], ["Running ready x:2"] * story.web)
    check(
        "db's ordinals",
        sorted((p["metadata"]["name"], ready(p)) for p in pods["db"]),
        [(f"db-{n}", True) for n in range(story.db)],
    )
    status = there[STATEFUL_SETS][0].get("status", {})
    counts = [status.get(key, 0) for key in ("replicas", "readyReplicas", "currentReplicas")]
    check("db's status", counts, [story.db] * 3)
    status = there[JOBS][0].get("status", {})
    # one that was made when an answer got lost may succeed, too, before it is found
    most = COMPLETIONS + world.lost[there[JOBS][0]["metadata"]["uid"]]
    counted = status.get("succeeded", 0)
    ended = [c["type"] for c in status.get("conditions", ()) if c["status"] == "True"][-1:]
    check("the Job", (status.get("active", 0), ended), (0, ["Complete"]))
    check(f"the Job's {counted} of {COMPLETIONS}", COMPLETIONS <= counted <= most, True)
    # fewer is right: it may succeed while it is deleted
    succeeded = sum(pod["status"]["phase"] == "Succeeded" for pod in pods["batch"])
    check("pods that succeeded beyond what the Job counted", max(0, succeeded - counted), 0)
    check(
        "finalizers of the Job's pods",
        [p["metadata"]["finalizers"] for p in pods["batch"] if p["metadata"].get("finalizers")],
        [],
    )
    uids = {obj["metadata"]["uid"] for gvr in OWNERS for obj in there[gvr]}
    orphans = [
        obj["metadata"]["name"]
        for gvr in OWNED
        for obj in there[gvr]
        for ref in obj["metadata"].get("ownerReferences") or ()
        if ref["uid"] not in uids
    ]
    check("orphans", orphans, [])
    check("pods of others", len(there[PODS]), sum(map(len, pods.values())))
    slices = [
        s
        for s in there[SLICES]
        if s["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
    ]
    addresses = sorted(a for s in slices for e in s.get("endpoints") or () for a in e["addresses"])
    check("web's endpoints", addresses, sorted(p["status"].get("podIP", "") for p in pods["web"]))
    live = [p["status"].get("podIP") for p in there[PODS] if p["status"]["phase"] == "Running"]
    check(
        "pods that share an address", [ip for ip, count in Counter(live).items() if count > 1], []
    )
    return found


async def restless(world: ChaosWorld) -> list[str]:
    """The keys that somebody still writes."""
    before = world.store.revision
    await asyncio.sleep(QUIET)
    keys = {change.key: None for change in world.store._since(before)}
    return [key for key in keys if not key.startswith(HEARTBEATS)]


def stale(world: ChaosWorld) -> list[str]:
    """The keys of which a cache of an API server or an informer has not what the store has."""
    truth = {key: record.revision for key, record in world.store._records.items()}
    found: dict[str, None] = {}
    for server in world.servers:
        for prefix, cache in server.api.core.feed._claims.items():
            if not isinstance(cache, ResourceCache):
                continue
            seen = {prefix + key: entry.revision for key, entry in cache.entries.items()}
            held = {key: revision for key, revision in truth.items() if key.startswith(prefix)}
            found |= dict.fromkeys(key for key, _ in seen.items() ^ held.items())
    for informers in (*world.informers, world.fleet._informers):
        found |= dict.fromkeys(_stale(world, informers, truth))
    return sorted(key for key in found if not key.startswith(HEARTBEATS))


def _stale(world: ChaosWorld, informers: Informers, truth: dict[str, int]) -> list[str]:
    found = []
    for scope, informer in informers._informers.items():
        serving = world.servers[0].api.resources.find(scope.gvr)
        if serving is None:
            continue
        prefix = serving.row.storage_prefix
        seen = {
            serving.key(*key): int(obj["metadata"]["resourceVersion"])
            for key, obj in informer._objects.items()
        }
        held = {key: revision for key, revision in truth.items() if key.startswith(prefix)}
        wrong = seen.items() - held.items() if any(scope[1:4]) else seen.items() ^ held.items()
        found += [key for key, _ in wrong]
    return found
