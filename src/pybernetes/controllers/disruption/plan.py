# SPDX-License-Identifier: Apache-2.0
"""Decides the status of one PodDisruptionBudget. Pure. Source: upstream's disruption controller."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from pybernetes.apimachinery import intstr, meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_ready

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
    old = budget.get("status") or {}
    found = _allowed(budget, ("False", "SyncFailed"), now, why)
    return {
        **old,
        "disruptionsAllowed": 0,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "conditions": found,
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
