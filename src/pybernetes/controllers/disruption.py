# SPDX-License-Identifier: Apache-2.0
"""PodDisruptionBudgets: how many pods may be evicted right now."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from pybernetes.apimachinery import intstr, meta, selectors
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_finished, is_ready
from pybernetes.client.informer import BY_NAMESPACE
from pybernetes.controllers.runtime import resources
from pybernetes.controllers.runtime.controller import Context, Keyed

GIVE_UP = 120.0  # seconds an eviction may take before its pod counts again (DeletionTimeout)


class Expected(NamedTuple):
    """How many pods there should be, and how many of them healthy."""

    pods: int
    healthy: int


def needs_scale(budget: Object) -> bool:
    """True if the owners' sizes count, not just the pods that are there."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expected(budget: Object, pods: int, scale: int) -> Expected:
    """`scale`: the sum of the owners' replicas, if `needs_scale`. Raises ValueError."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        gone = intstr.scaled(spec["maxUnavailable"], scale, round_up=True)
        return Expected(scale, max(0, scale - gone))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Expected(scale, intstr.scaled(least, scale, round_up=True))
    return Expected(pods, least or 0)


def disrupted(
    budget: Object, pods: Sequence[Object], now: datetime.datetime
) -> tuple[dict[str, str], float | None]:
    """(evictions that are under way, seconds until the first is given up)."""
    kept: dict[str, str] = {}
    waits = []
    by_name = {meta.name(pod): pod for pod in pods}
    for name, when in ((budget.get("status") or {}).get("disruptedPods") or {}).items():
        pod = by_name.get(name)
        if pod is None or meta.is_deleting(pod):
            continue
        left = GIVE_UP - (now - parse(when)).total_seconds()
        if left > 0:
            kept[name] = when
            waits.append(left)
    return kept, min(waits, default=None)


def plan_status(
    budget: Object,
    pods: Sequence[Object],
    wanted: Expected,
    evicting: dict[str, str],
    *,
    now: datetime.datetime,
) -> Object:
    """The new status."""
    healthy = sum(
        is_ready(pod) and not meta.is_deleting(pod) and meta.name(pod) not in evicting
        for pod in pods
    )
    allowed = max(0, healthy - wanted.healthy) if wanted.pods > 0 else 0
    status: Object = {
        "currentHealthy": healthy,
        "desiredHealthy": wanted.healthy,
        "expectedPods": wanted.pods,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    if evicting:
        status["disruptedPods"] = evicting
    words = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    status["conditions"] = _allowed(budget, words, now)
    return status


def failed_status(budget: Object, why: str, now: datetime.datetime) -> Object:
    """When the sizes of owners cannot be told: nothing may be evicted."""
    return {
        **(budget.get("status") or {}),
        "disruptionsAllowed": 0,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "conditions": _allowed(budget, ("False", "SyncFailed"), now, why),
    }


def _allowed(
    budget: Object, words: tuple[str, str], now: datetime.datetime, message: str = ""
) -> list[Object]:
    status, reason = words
    generation = budget["metadata"].get("generation", 0)
    condition = conditions.new(
        "DisruptionAllowed", status, (reason, message), now, observedGeneration=generation
    )
    return conditions.renew((budget.get("status") or {}).get("conditions"), condition)


_SCALED: dict[str, GVR] = {
    "Deployment": resources.DEPLOYMENTS,
    "ReplicaSet": resources.REPLICA_SETS,
    "ReplicationController": resources.REPLICATION_CONTROLLERS,
    "StatefulSet": resources.STATEFUL_SETS,
}


class DisruptionController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(resources.BUDGETS))
        self._follow(self._objects)
        self._pods = context.informers.get(resources.PODS)
        self._owners = {kind: context.informers.get(gvr) for kind, gvr in _SCALED.items()}
        self._follow(self._pods, self._budgets_of)

    def _budgets_of(self, pod: Object) -> list[str]:
        budgets = self._objects.by_index(BY_NAMESPACE, meta.namespace(pod))
        return [meta.key(budget) for budget in budgets if _selects(budget, pod)]

    async def _sync(self, key: str, budget: Object) -> None:
        now = self._now()
        pods = [
            pod
            for pod in self._pods.by_index(BY_NAMESPACE, meta.namespace(budget))
            if _selects(budget, pod) and not is_finished(pod)
        ]
        if not pods:
            self._event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            scale = self._scale(pods) if needs_scale(budget) else 0
            wanted = expected(budget, len(pods), scale)
        except ValueError as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            reason = "CalculateExpectedPodCountFailed"
            self._event(budget, "Warning", reason, text)
            await self._write(budget, failed_status(budget, str(error), now))
            return
        evicting, wait = disrupted(budget, pods, now)
        await self._write(budget, plan_status(budget, pods, wanted, evicting, now=now))
        if wait is not None:
            self._queue.add_after(key, wait)

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
            await self._client.update_status(resources.BUDGETS, budget, status)


def _selects(budget: Object, pod: Object) -> bool:
    selector = selectors.from_label_selector(budget["spec"].get("selector"))
    return selector.matches(meta.labels(pod))
