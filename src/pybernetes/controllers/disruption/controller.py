# SPDX-License-Identifier: Apache-2.0
"""Acts for PodDisruptionBudgets: counts their pods and writes how many may be evicted."""

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.client.informer import Informer
from pybernetes.controllers.disruption import plan
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import (
    BUDGETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)

_SCALED: dict[str, GVR] = {
    "Deployment": DEPLOYMENTS,
    "ReplicaSet": REPLICA_SETS,
    "ReplicationController": REPLICATION_CONTROLLERS,
    "StatefulSet": STATEFUL_SETS,
}


class DisruptionController:
    """Keys are namespace/name of the budget."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._budgets = context.informers.get(BUDGETS)
        self._pods = context.informers.get(PODS)
        self._owners: dict[str, Informer] = {
            kind: context.informers.get(gvr) for kind, gvr in _SCALED.items()
        }
        self._budgets.on_change(lambda old, new: context.queue.add(meta.key(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in filter(None, (old, new)):
            for budget in self._budgets.by_index("namespace", meta.namespace(pod)):
                if _selects(budget, pod):
                    self._context.queue.add(meta.key(budget))

    async def sync(self, key: str) -> None:
        budget = self._budgets.find(*meta.split_key(key))
        if budget is None:
            return
        now = self._context.env.clock.now()
        pods = [
            pod
            for pod in self._pods.by_index("namespace", meta.namespace(budget))
            if _selects(budget, pod) and not is_finished(pod)
        ]
        if not pods:
            text = "No matching pods found"
            self._context.recorder.event(budget, "Normal", "NoPods", text)
        try:
            scale = self._scale(pods) if plan.needs_scale(budget) else 0
            wanted = plan.expected(budget, len(pods), scale)
        except ValueError as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            reason = "CalculateExpectedPodCountFailed"
            self._context.recorder.event(budget, "Warning", reason, text)
            await self._write(budget, plan.failed_status(budget, str(error), now))
            return
        evicting, wait = plan.disrupted(budget, pods, now)
        await self._write(budget, plan.plan_status(budget, pods, wanted, evicting, now=now))
        if wait is not None:
            self._context.queue.add_after(key, wait)

    def _scale(self, pods: list[Object]) -> int:
        """The sum of the sizes of all that control the pods. Raises ValueError."""
        sizes: dict[str, int] = {}
        for pod in pods:
            owner = self._controller(pod)
            if owner is not None and owner["kind"] == "ReplicaSet":
                owner = self._controller(owner) or owner
            if owner is not None:
                sizes[meta.uid(owner)] = owner["spec"].get("replicas", 1)
        return sum(sizes.values())

    def _controller(self, obj: Object) -> Object | None:
        """Its controller, if that has a size; a pod without one is not managed."""
        reference = meta.controller_of(obj)
        if reference is None:
            return None
        informer = self._owners.get(reference["kind"])
        if informer is None:
            kind = reference["kind"]
            raise ValueError(f"{kind} {reference['name']} does not implement the scale subresource")
        found = informer.find(meta.namespace(obj), reference["name"])
        return found if found is not None and meta.uid(found) == reference["uid"] else None

    async def _write(self, budget: Object, status: Object) -> None:
        if status != (budget.get("status") or {}):
            await self._context.client.update_status(BUDGETS, budget, status)


def _selects(budget: Object, pod: Object) -> bool:
    try:
        selector = selectors.from_label_selector(budget["spec"].get("selector"))
    except ValueError:
        return False
    return selector.matches(meta.labels(pod))
