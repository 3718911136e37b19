# SPDX-License-Identifier: Apache-2.0
"""pod-garbage-collector-controller: removes pods that nobody else would ever remove."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished, is_ready
from pybernetes.base.metrics import counter
from pybernetes.controllers.runtime.batches import all_at_once, delete_if_there, get_if_there
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.resources import BY_NODE, NODES, PODS, index_by_node, taints
from pybernetes.controllers.runtime.workload import mark_disrupted

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class Garbage(NamedTuple):
    pod: Object
    reason: str


def plan_pods(pods: Sequence[Object], nodes: Mapping[str, Object], threshold: int) -> list[Garbage]:
    """Garbage whose node, if it names one, exists."""
    found = [Garbage(pod, "terminated") for pod in _oldest_finished(pods, threshold)]
    for pod in pods:
        if not meta.is_deleting(pod):
            continue
        name = pod["spec"].get("nodeName")
        marks = [taint.get("key") for taint in taints(nodes.get(name))]
        if not name:
            found.append(Garbage(pod, "terminating-unscheduled"))
        elif OUT_OF_SERVICE in marks and not is_ready(nodes[name]):
            found.append(Garbage(pod, "terminating-out-of-service"))
    return found


def _oldest_finished(pods: Sequence[Object], threshold: int) -> list[Object]:
    """Finished pods beyond the threshold: evicted ones first, then the oldest."""
    if threshold <= 0:
        return []
    finished = [pod for pod in pods if is_finished(pod)]
    excess = len(finished) - threshold
    if excess <= 0:
        return []
    return sorted(finished, key=_order)[:excess]


def _order(pod: Object) -> tuple[bool, str, str]:
    evicted = (pod.get("status") or {}).get("reason") == "Evicted"
    return not evicted, pod["metadata"].get("creationTimestamp") or "", meta.name(pod)


ROUND = "round"  # the only key
QUARANTINE = 40.0  # seconds for which a node must be missing before its pods are orphans
_ORPHANED = ("DeletionByPodGC", "PodGC: node no longer exists")


class PodGarbageCollector(Controller):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pods = context.informers.get(PODS)
        self._nodes = context.informers.get(NODES)
        self._missing: dict[str, float] = {}  # node -> since when it is missed
        self._deletions = counter(
            context.env,
            "pod_gc_collector_force_delete_pods_total",
            "Number of pods that are being forcefully deleted since the Pod GC Controller started.",
            ("namespace", "reason"),
        )
        index_by_node(self._pods)
        context.queue.add_after(ROUND, context.config.pod_gc_period)

    async def sync(self, key: str) -> None:
        try:
            await self._round()
        finally:
            self._queue.add_after(key, self._context.config.pod_gc_period)

    async def _round(self) -> None:
        pods = self._pods.items()
        nodes = {meta.name(node): node for node in self._nodes.items()}
        garbage = plan_pods(pods, nodes, self._context.config.terminated_pod_threshold)
        named = dict.fromkeys(pod["spec"].get("nodeName") for pod in pods)
        for name in await self._lost_nodes([one for one in named if one and one not in nodes]):
            garbage += [Garbage(pod, "orphaned") for pod in self._pods.by_index(BY_NODE, name)]
        await all_at_once(garbage, self._delete)

    async def _lost_nodes(self, missing: list[str]) -> list[str]:
        now = self._context.env.clock.monotonic()
        self._missing = {name: self._missing.get(name, now) for name in missing}
        overdue = [name for name, since in self._missing.items() if now - since >= QUARANTINE]
        # The cache may lag: nobody's pods are deleted before the API was asked.
        return [name for name in overdue if not await get_if_there(self._client, NODES, name)]

    async def _delete(self, garbage: Garbage) -> None:
        pod, reason = garbage
        with forgiving(404):
            if not is_finished(pod):
                words = _ORPHANED if reason == "orphaned" else None
                await mark_disrupted(self._context, pod, words, phase="Failed")
            await delete_if_there(self._client, PODS, pod, gracePeriodSeconds=0)
        self._deletions.labels(meta.namespace(pod), reason).inc()
