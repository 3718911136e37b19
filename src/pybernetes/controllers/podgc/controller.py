# SPDX-License-Identifier: Apache-2.0
"""Looks at all pods every 20 seconds and force-deletes what is garbage."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.base.metrics import counter
from pybernetes.controllers.podgc.plan import Garbage, missing_nodes, plan_pods
from pybernetes.controllers.runtime.batches import all_at_once, delete_if_there, get_if_there
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.podcontrol import mark_disrupted
from pybernetes.controllers.runtime.resources import BY_NODE, NODES, PODS, index_by_node

ROUND = "round"  # the only key
QUARANTINE = 40.0  # seconds for which a node must be missing before its pods are orphans
_ORPHANED = ("DeletionByPodGC", "PodGC: node no longer exists")


class PodGarbageCollector:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
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
            self._context.queue.add_after(key, self._context.config.pod_gc_period)

    async def _round(self) -> None:
        pods = self._pods.items()
        nodes = {meta.name(node): node for node in self._nodes.items()}
        garbage = plan_pods(pods, nodes, self._context.config.terminated_pod_threshold)
        for name in await self._lost_nodes(missing_nodes(pods, nodes)):
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
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta.uid(pod)}}
        with forgiving(404):
            if not is_finished(pod):
                words = _ORPHANED if reason == "orphaned" else None
                await mark_disrupted(self._context, pod, words, phase="Failed")
            await delete_if_there(self._client, PODS, pod, options)
        self._deletions.labels(meta.namespace(pod), reason).inc()
