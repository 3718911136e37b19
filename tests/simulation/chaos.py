# SPDX-License-Identifier: Apache-2.0
"""Workloads in a world that breaks, and what must hold in the end: python -m tests.simulation.chaos SEED [COUNT].

COUNT seeds from SEED on (default: one); it stops at the first that fails, and tells what is not as it must be.
"""

import asyncio
import functools
import hashlib
import itertools
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from math import inf
from multiprocessing import get_context
from typing import Any, NamedTuple

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.cri.stagefile import parse
from tests.simulation.breaking import ChaosWorld, simulate

Object = dict[str, Any]
DEPLOYMENTS, STATEFUL_SETS = GVR("apps", "v1", "deployments"), GVR("apps", "v1", "statefulsets")
REPLICA_SETS, JOBS = GVR("apps", "v1", "replicasets"), GVR("batch", "v1", "jobs")
PODS, SERVICES, NODES = GVR("", "v1", "pods"), GVR("", "v1", "services"), GVR("", "v1", "nodes")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
OWNED = (PODS, REPLICA_SETS, SLICES, GVR("apps", "v1", "controllerrevisions"))
OWNERS = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS, JOBS, SERVICES, NODES)
STAGES = parse("stages:\n- {match: {labels: finite}, run: {for: {between: [1s, 8s]}}}\n")
STORM, PATIENCE = 60.0, 300.0  # virtual seconds of faults; and until all must be well
COMPLETIONS = 3


def workload(name: str, replicas: int | None, **more: Any) -> Object:
    labels = {"app": name}
    spec: Object = {"containers": [{"name": "main", "image": "example.org/x:1"}]}
    spec["terminationGracePeriodSeconds"] = 2
    template = {"metadata": {"labels": labels}, "spec": spec}
    found: Object = {"template": template, **more}
    if replicas is not None:
        found |= {"replicas": replicas, "selector": {"matchLabels": labels}}
    return {"metadata": {"name": name}, "spec": found}


def job() -> Object:
    made = workload("batch", None, completions=COMPLETIONS, parallelism=2, backoffLimit=100)
    made["spec"]["template"]["metadata"]["labels"]["finite"] = "yes"
    made["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return made


async def insist(act: Callable[[], Awaitable[Any]], *done: int) -> Any:
    """Until it is carried out; `done`: codes that say it was, by a try whose answer got lost."""
    while True:
        try:
            return await act()
        except ApiError as error:
            if error.code in done:
                return None
            if error.code not in (409, 403, 429, 500, 503, 504):
                raise
        except (ConnectionError, TimeoutError):
            pass
        await asyncio.sleep(0.5)


class Story:
    """The user's side: what is asked for, at random moments. `wanted` is what must be there in the end."""

    def __init__(self, world: ChaosWorld) -> None:
        self.world, self.client = world, world.client
        self.random = world.env.random.child("story")
        self.web, self.db = 2 + self.random.below(4), 1 + self.random.below(4)

    async def create(self, gvr: GVR, obj: Object) -> None:
        await insist(lambda: self.client.create(gvr, obj, "default"), 409)

    async def patch(self, gvr: GVR, name: str, change: Object) -> None:
        await insist(lambda: self.client.patch(gvr, name, change, "default"))

    async def tell(self) -> None:
        await self.world.fleet.wait_ready()
        await self.create(DEPLOYMENTS, workload("web", 2))
        await self.create(DEPLOYMENTS, workload("doomed", 2))
        await self.create(STATEFUL_SETS, workload("db", 2, serviceName="db"))
        await self.create(JOBS, job())
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        await self.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})
        acts = [self.new_version, self.scale_web, self.scale_db, self.end, self.lose_a_pod]
        acts += [self.lose_a_pod, self.lose_a_node]
        while acts:
            await asyncio.sleep(self.random.uniform(0, STORM / 8))
            await acts.pop(self.random.below(len(acts)))()

    async def new_version(self) -> None:
        containers = [{"name": "main", "image": "example.org/x:2"}]
        await self.patch(
            DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"containers": containers}}}}
        )

    async def scale_web(self) -> None:
        await self.patch(DEPLOYMENTS, "web", {"spec": {"replicas": self.web}})

    async def scale_db(self) -> None:
        await self.patch(STATEFUL_SETS, "db", {"spec": {"replicas": self.db}})

    async def end(self) -> None:
        options = {"propagationPolicy": self.random.choice(["Background", "Foreground"])}
        await insist(
            lambda: self.client.delete(DEPLOYMENTS, "doomed", "default", options=options), 404
        )

    async def lose_a_pod(self) -> None:
        pods = (
            await insist(
                lambda: self.client.list(PODS, "default", label_selector="app in (web,db)")
            )
        ).items
        if pods:
            name = self.random.choice(pods)["metadata"]["name"]
            await insist(lambda: self.client.delete(PODS, name, "default"), 404)

    async def lose_a_node(self) -> None:
        name = self.random.choice(list(self.world.fleet.handlers))
        self.world.fleet.stop(name)
        await asyncio.sleep(self.random.uniform(0.1, 20))
        self.world.fleet.start(name)


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
    check(
        "the Job",
        (
            status.get("succeeded"),
            status.get("active", 0),
            [c["type"] for c in status.get("conditions", ()) if c["status"] == "True"][-1:],
        ),
        (COMPLETIONS, 0, ["Complete"]),
    )
    # fewer is right: one too many, made because an answer got lost, may succeed while it is deleted
    succeeded = sum(pod["status"]["phase"] == "Succeeded" for pod in pods["batch"])
    check("pods that succeeded beyond what the Job asked for", max(0, succeeded - COMPLETIONS), 0)
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


async def watch_ordinals(world: ChaosWorld) -> None:
    """Never do two nodes run containers of pods of one ordinal. Until cancelled."""
    while True:
        await asyncio.sleep(0.25)
        runs: Counter[str] = Counter()
        for kubelet in world.fleet.kubelets.values():
            sandboxes = {s.id: s for s in await kubelet.runtime.list_sandboxes()}
            containers = await kubelet.runtime.list_containers()
            names = {
                sandboxes[c.sandbox_id].name
                for c in containers
                if c.state == "running" and c.sandbox_id in sandboxes
            }
            runs.update(name for name in names if name.startswith("db-"))
        assert max(runs.values(), default=0) <= 1, f"run twice: {runs}"


class Outcome(NamedTuple):
    """`digest`: of the log of changes; `settled`: virtual seconds of calm until all was well."""

    digest: str
    crashes: int
    settled: float


async def scenario(world: ChaosWorld) -> Outcome:
    """The user asks, all breaks, then it is calm: until all is well. Raises AssertionError."""
    story = Story(world)
    watching = asyncio.ensure_future(watch_ordinals(world))
    await story.tell()
    world.calm()
    start = world.env.clock.monotonic()
    while faults := await faults_of(world, story):
        if world.env.clock.monotonic() - start > PATIENCE:
            raise AssertionError("\n".join(faults))
        if watching.done():
            break
        await asyncio.sleep(10)
    watching.cancel()
    if watching.done() and not watching.cancelled():
        watching.result()
    digest = hashlib.sha256(world.log.text().encode()).hexdigest()
    return Outcome(digest, world.crashes, world.env.clock.monotonic() - start)


def play(seed: int) -> Outcome:
    """Raises AssertionError that says how to see it again."""
    try:
        return simulate(scenario, seed=seed, stages=STAGES)
    except BaseException as error:
        error.add_note(f"replay: python -m tests.simulation.chaos {seed}")
        raise


def tried(seed: int) -> str:
    """What went wrong; "" if nothing did."""
    logging.disable(logging.WARNING)
    try:
        play(seed)
    except Exception as error:  # noqa: BLE001  (it is told)
        return "".join(traceback.format_exception(error))
    return ""


def many(seeds: Iterable[int], until: float = inf) -> tuple[int, list[str]]:
    """(how many were tried on all processors, what went wrong); no new ones after `until` (monotonic)."""
    workers = os.cpu_count() or 1
    failures: list[str] = []
    count, waiting = 0, iter(seeds)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while not failures and time.monotonic() < until:
            round_ = list(itertools.islice(waiting, 5 * workers))
            if not round_:
                break
            failures += [text for text in pool.map(tried, round_) if text]
            count += len(round_)
    return count, failures


def main(first: int, count: int) -> None:
    logging.disable(logging.WARNING)
    for seed in range(first, first + count):
        begun = time.perf_counter()
        run = play(seed)
        took = f"{time.perf_counter() - begun:.1f} s"
        print(
            f"seed {seed}: {run.crashes} crashes, well after {run.settled:.0f} s, {run.digest}, {took}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1)
