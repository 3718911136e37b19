# SPDX-License-Identifier: Apache-2.0
"""taint-eviction-controller: deletes pods that do not tolerate their node's NoExecute taints."""

from collections.abc import Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.taints import no_execute_seconds
from pybernetes.base.metrics import counter
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.resources import BY_NODE, NODES, PODS, index_by_node, taints
from pybernetes.controllers.runtime.workload import mark_disrupted

_REASON = ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")


def eviction_time(
    taints: Sequence[Object], pod: Object, since: float | None, now: float
) -> float | None:
    """The time at which the pod must go; None: it may stay.

    `since`: when the clock of its tolerations began to run, if it runs already.
    """
    no_execute = [taint for taint in taints if taint.get("effect") == "NoExecute"]
    if not no_execute:
        return None
    seconds = no_execute_seconds(no_execute, pod["spec"].get("tolerations") or [])
    if seconds is None:
        return None
    if seconds == 0:
        return now
    return (now if since is None else since) + seconds


class TaintEvictionController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(PODS))
        self._nodes = context.informers.get(NODES)
        self._since: dict[str, tuple[str, float]] = {}  # key -> uid, begin of its toleration
        self._deletions = counter(
            context.env,
            "taint_eviction_controller_pod_deletions_total",
            "Total number of Pods deleted by TaintEvictionController since its start.",
        )
        index_by_node(self._objects)
        self._nodes.on_change(self._node_changed)
        self._objects.on_change(self._pod_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and taints(old) != taints(new):
            for pod in self._objects.by_index(BY_NODE, meta.name(new)):
                self._queue.add(meta.key(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None and meta.key(old) in self._since:
                self._queue.add(meta.key(old))
        elif new["spec"].get("nodeName") and (old is None or _moved(old, new)):
            self._queue.add(meta.key(new))

    async def _gone(self, key: str) -> None:
        self._since.pop(key, None)

    async def _sync(self, key: str, pod: Object) -> None:
        if meta.is_deleting(pod):
            await self._gone(key)
            return
        now = self._context.env.clock.monotonic()
        uid, since = self._since.get(key, ("", 0.0))
        running = uid == meta.uid(pod)
        node = self._nodes.find("", pod["spec"].get("nodeName") or "")
        due = eviction_time(taints(node), pod, since if running else None, now)
        if due is None:
            if self._since.pop(key, None) is not None and running:
                self._tell(pod, f"Cancelling deletion of Pod {key}")
        elif due <= now:
            await self._evict(pod)
            self._since.pop(key, None)
        else:
            if not running:
                self._since[key] = (meta.uid(pod), now)
            self._queue.add_after(key, due - now)

    async def _evict(self, pod: Object) -> None:
        self._tell(pod, f"Marking for deletion Pod {meta.key(pod)}")
        with forgiving(404):
            await mark_disrupted(self._context, pod, _REASON)
            if await delete_if_there(self._client, PODS, pod):
                self._deletions.inc()

    def _tell(self, pod: Object, text: str) -> None:
        metadata = {"name": meta.name(pod), "namespace": meta.namespace(pod)}
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self._event(about, "Normal", "TaintManagerEviction", text)


def _moved(old: Object, new: Object) -> bool:
    fields = ("nodeName", "tolerations")
    return any(old["spec"].get(field) != new["spec"].get(field) for field in fields)
