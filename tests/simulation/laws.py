# SPDX-License-Identifier: Apache-2.0
"""What must hold at every moment, whatever crashes and however stale all caches are.

`Laws` reads every change that the store commits, the only truth that there is:

- An object keeps its UID and creation time for life; `deletionTimestamp` stays; its generation only grows.
- A pod is bound once. What pods of a node ask for never exceeds what the node has.
- A pod that Succeeded or Failed stays so; restarts of a container are never uncounted.
- A ReplicaSet never has more live pods than it was ever to have, a Job never more than `parallelism`: beside
  those that it may not know of, whose answer got lost. A StatefulSet has no ordinals but its own.
- A Deployment has one ReplicaSet a template, and all that it knows of are never to have more together than
  `replicas` + `maxSurge` at their largest.
- A Job counts every pod once: `succeeded` never shrinks, and never exceeds `completions` (but for pods that
  it may not know of).

`watch_nodes` looks into the nodes: never do two of them run containers of pods of one name.
`watch_reads` asks the API servers: a list shows all that was committed before it was asked for.
`no_bugs`: nothing is logged as an error, so no controller, worker or callback fails in a way that it does not know.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.apis.core.pod.requests import amount, pod_requests
from pybernetes.storage.types import Change
from tests.simulation.breaking import ChaosWorld

Object = dict[str, Any]
PODS, NODES = "/registry/pods/", "/registry/minions/"
REPLICA_SETS, STATEFUL_SETS = "/registry/replicasets/", "/registry/statefulsets/"
DEPLOYMENTS, JOBS = "/registry/deployments/", "/registry/jobs/"
SERVICES = GVR("", "v1", "services")
ENDED = ("Succeeded", "Failed")


class Laws:
    """Raises AssertionError out of `run` at the first change that breaks one of them."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        self._checks: dict[str, Callable[[Object | None, Object], None]] = {
            PODS: self._pod,
            NODES: lambda *_: None,
            JOBS: self._job,
            REPLICA_SETS: self._replica_set,
            DEPLOYMENTS: self._asked,
            STATEFUL_SETS: self._asked,
        }
        self._objects: dict[str, dict[str, Object]] = {kind: {} for kind in self._checks}
        self._most: defaultdict[str, int] = defaultdict(int)  # by UID: as many as ever asked for

    async def run(self) -> None:
        """Until cancelled."""
        store = self._world.store
        watch = store.watch("/registry/", store.revision)
        try:
            async for batch in watch:
                for change in batch:
                    self.see(change)
        finally:
            watch.close()

    def see(self, change: Change) -> None:
        kind = change.key[: change.key.find("/", len("/registry/")) + 1]
        objects = self._objects.get(kind)
        if objects is None:
            return
        old = objects.pop(change.key, None)
        if change.record is None:
            return
        new = objects[change.key] = orjson.loads(change.record.value)
        if old is not None:
            self._life(change.key, old, new)
        self._checks[kind](old, new)

    def _life(self, key: str, old: Object, new: Object) -> None:
        was, is_ = old["metadata"], new["metadata"]
        for field in ("uid", "creationTimestamp"):
            assert was[field] == is_[field], f"{key}: another {field}"
        assert "deletionTimestamp" in is_ or "deletionTimestamp" not in was, f"{key}: undeleted"
        assert is_.get("generation", 0) >= was.get("generation", 0), f"{key}: generation shrinks"

    def _pod(self, old: Object | None, new: Object) -> None:
        name, node = new["metadata"]["name"], new["spec"].get("nodeName")
        if old is None:
            self._crowd(new)
        else:
            before = old["spec"].get("nodeName")
            assert before in (None, node), f"{name} is bound twice: to {before} and to {node}"
            phases = [pod["status"].get("phase") for pod in (old, new)]
            assert phases[0] not in ENDED or phases[0] == phases[1], f"{name} was {phases}"
            counts = [_restarts(pod) for pod in (old, new)]
            assert all(n <= counts[1].get(k, n) for k, n in counts[0].items()), f"{name}: {counts}"
        if node and (old is None or not old["spec"].get("nodeName")):
            self._room(node)

    def _room(self, name: str) -> None:
        node = next(n for key, n in self._objects[NODES].items() if key == NODES + name)
        pods = [
            pod
            for pod in self._objects[PODS].values()
            if pod["spec"].get("nodeName") == name and pod["status"].get("phase") not in ENDED
        ]
        asked = sum(pod_requests(pod).get("cpu", 0) for pod in pods)
        has = amount("cpu", node["status"]["allocatable"]["cpu"])
        assert asked <= has, f"{name} has {has} mCPU, its pods ask for {asked}: {_names(pods)}"

    def _crowd(self, pod: Object) -> None:
        """A pod was made: are there too many?"""
        for owner in pod["metadata"].get("ownerReferences", ()):
            uid = owner["uid"]
            live = [pod for pod in self._objects[PODS].values() if _lives(pod, uid)]
            most = self._most[uid]
            if owner["kind"] == "StatefulSet":
                ordinal = int(pod["metadata"]["name"].rpartition("-")[2])
                assert ordinal < most, f"{_names([pod])}, where there were never to be over {most}"
            else:
                extra = self._world.lost[uid]
                assert len(live) <= most + extra, f"{_names(live)}, {most} wanted, {extra} unknown"

    def _asked(self, _: Object | None, new: Object) -> None:
        spec, uid = new["spec"], new["metadata"]["uid"]
        asked = spec.get("replicas", spec.get("parallelism", 0))
        self._most[uid] = max(self._most[uid], asked)

    def _job(self, old: Object | None, new: Object) -> None:
        self._asked(old, new)
        counts = [(job or {}).get("status", {}).get("succeeded", 0) for job in (old, new)]
        most = new["spec"]["completions"] + self._world.lost[new["metadata"]["uid"]]
        assert counts[0] <= counts[1] <= most, f"the Job counted {counts}"

    def _replica_set(self, old: Object | None, new: Object) -> None:
        self._asked(old, new)
        for owner in new["metadata"].get("ownerReferences", ()):
            ours = [
                other
                for other in self._objects[REPLICA_SETS].values()
                if any(o["uid"] == owner["uid"] for o in other["metadata"]["ownerReferences"])
            ]
            templates = Counter(orjson.dumps(s["spec"]["template"]["spec"]) for s in ours)
            assert max(templates.values()) == 1, f"two of one template: {_names(ours)}"
            sizes, most = [s["spec"]["replicas"] for s in ours], self._most[owner["uid"]]
            surge = -(-most // 4)  # 25 %, rounded up
            surge += most * self._world.lost[owner["uid"]]
            assert sum(sizes) <= most + surge, f"{_names(ours)} are {sizes} of {most} + {surge}"


def _lives(pod: Object, owner: str) -> bool:
    owned = any(ref["uid"] == owner for ref in pod["metadata"].get("ownerReferences", ()))
    ended = pod["status"].get("phase") in ENDED or "deletionTimestamp" in pod["metadata"]
    return owned and not ended


def _restarts(pod: Object) -> dict[str, int]:
    statuses = pod["status"].get("containerStatuses", ())
    return {status["name"]: status["restartCount"] for status in statuses}


def _names(objects: list[Object]) -> str:
    return ", ".join(obj["metadata"]["name"] for obj in objects)


async def watch_nodes(world: ChaosWorld) -> None:
    """Until cancelled; raises AssertionError."""
    while True:
        await asyncio.sleep(0.25)
        runs: Counter[str] = Counter()
        for kubelet in world.fleet.kubelets.values():
            sandboxes = {s.id: s.name for s in await kubelet.runtime.list_sandboxes()}
            containers = await kubelet.runtime.list_containers()
            running = {sandboxes.get(c.sandbox_id) for c in containers if c.state == "running"}
            runs.update(name for name in running if name)
        assert max(runs.values(), default=0) <= 1, f"run twice: {runs}"


async def watch_reads(world: ChaosWorld) -> None:
    """Until cancelled; raises AssertionError."""
    while True:
        await asyncio.sleep(0.5)
        with contextlib.suppress(ApiError, ConnectionError, TimeoutError):
            committed = world.store.revision
            found = await world.client.list(SERVICES, "default")
            assert int(found.resource_version) >= committed, "a list shows the past"


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


@contextlib.contextmanager
def no_bugs() -> Iterator[None]:
    """Raises AssertionError at the end of a block in which errors were logged."""
    errors, logger = _Errors(), logging.getLogger("pybernetes")
    logger.addHandler(errors)
    try:
        yield
    finally:
        logger.removeHandler(errors)
    assert not errors.lines, errors.lines[0]
