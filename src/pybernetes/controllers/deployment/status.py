# SPDX-License-Identifier: Apache-2.0
"""Decides a Deployment's status and conditions, and when to look at its progress again. Pure."""

import datetime
from collections.abc import Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse, rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.controllers.deployment.plan import Sets, fenceposts, size, status_sum, total

NO_DEADLINE = 2**31 - 1  # progressDeadlineSeconds that means "never"
AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
_AVAILABILITY = {
    True: ("MinimumReplicasAvailable", "Deployment has minimum availability."),
    False: ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
}


def new_condition(kind: str, status: str, words: tuple[str, str], now: datetime.datetime) -> Object:
    """`words`: reason and message."""
    return conditions.new(kind, status, words, now, lastUpdateTime=rfc3339(now))


def has_deadline(deployment: Object) -> bool:
    return (deployment["spec"].get("progressDeadlineSeconds") or NO_DEADLINE) != NO_DEADLINE


def progressing(status: Object) -> Object | None:
    return conditions.find(status.get("conditions"), "Progressing")


def paused_words(deployment: Object) -> tuple[str, str] | None:
    """What the Progressing condition says since the Deployment was paused or resumed; None: nothing new."""
    reason = (conditions.of(deployment, "Progressing") or {}).get("reason")
    paused = bool(deployment["spec"].get("paused"))
    if reason == TIMED_OUT or paused == (reason == PAUSED):
        return None
    if paused:
        return PAUSED, "Deployment is paused"
    return "DeploymentResumed", "Deployment is resumed"


def plan_status(deployment: Object, sets: Sets, now: datetime.datetime) -> Object:
    """Counts and the Available condition; other conditions stay."""
    old = deployment.get("status") or {}
    available = status_sum(sets.all, "availableReplicas")
    status: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": status_sum(sets.all, "replicas"),
        "updatedReplicas": status_sum([sets.new] if sets.new else [], "replicas"),
        "readyReplicas": status_sum(sets.all, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(sets.all) - available),
        "collisionCount": old.get("collisionCount") or 0,
    }
    status = {key: value for key, value in status.items() if value}
    terminating = _terminating(sets.all)
    if terminating is not None:
        status["terminatingReplicas"] = terminating
    enough = available >= size(deployment) - fenceposts(deployment)[1]
    condition = new_condition("Available", str(enough), _AVAILABILITY[enough], now)
    status["conditions"] = conditions.put(old.get("conditions"), condition)
    return status


def _terminating(sets: Sequence[Object]) -> int | None:
    """None while a ReplicaSet that was looked at does not say it."""
    statuses = [one.get("status") or {} for one in sets]
    if any("terminatingReplicas" not in s and s.get("observedGeneration") for s in statuses):
        return None
    return sum(status.get("terminatingReplicas") or 0 for status in statuses)


def is_complete(deployment: Object, status: Object) -> bool:
    replicas = size(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    observed = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return observed and all((status.get(count) or 0) == replicas for count in counts)


def _made_progress(old: Object, new: Object) -> bool:
    def count(status: Object, field: str) -> int:
        return status.get(field) or 0

    def outdated(status: Object) -> int:
        return count(status, "replicas") - count(status, "updatedReplicas")

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return outdated(new) < outdated(old) or any(count(new, f) > count(old, f) for f in grown)


def plan_rollout_status(deployment: Object, sets: Sets, now: datetime.datetime) -> Object:
    """plan_status, and the Progressing and ReplicaFailure conditions."""
    status = plan_status(deployment, sets, now)
    old = deployment.get("status") or {}
    current = progressing(old)
    done = status.get("replicas") == status.get("updatedReplicas")
    if not has_deadline(deployment):
        status["conditions"] = conditions.without(status["conditions"], "Progressing")
    elif not (done and current is not None and current.get("reason") == AVAILABLE):
        _judge_progress(deployment, sets, status, now)
    failure, listed = _failure(sets), conditions.without(status["conditions"], "ReplicaFailure")
    status["conditions"] = conditions.put(status["conditions"], failure) if failure else listed
    return status


def _judge_progress(deployment: Object, sets: Sets, status: Object, now: datetime.datetime) -> None:
    old = deployment.get("status") or {}
    current = progressing(old)
    named = f'ReplicaSet "{meta.name(sets.new)}"' if sets.new else ""
    who = named or f'Deployment "{meta.name(deployment)}"'
    listed = status["conditions"]
    if is_complete(deployment, status):
        words = (AVAILABLE, f"{who} has successfully progressed.")
        listed = conditions.put(listed, new_condition("Progressing", "True", words, now))
    elif _made_progress(old, status):
        words = ("ReplicaSetUpdated", f"{who} is progressing.")
        listed = conditions.renew(listed, new_condition("Progressing", "True", words, now))
    elif _timed_out(deployment, current, now):
        words = (TIMED_OUT, f"{who} has timed out progressing.")
        listed = conditions.put(listed, new_condition("Progressing", "False", words, now))
    status["conditions"] = listed


def _timed_out(deployment: Object, current: Object | None, now: datetime.datetime) -> bool:
    if current is None or current.get("reason") == AVAILABLE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    return _deadline(deployment, current) < now


def _deadline(deployment: Object, current: Object) -> datetime.datetime:
    seconds = deployment["spec"]["progressDeadlineSeconds"]
    return parse(current["lastUpdateTime"]) + datetime.timedelta(seconds=seconds)


def next_look(deployment: Object, status: Object, now: datetime.datetime) -> float | None:
    """Seconds until the progress deadline can have passed; None if nothing is waited for."""
    current = progressing(status)
    if not has_deadline(deployment) or current is None:
        return None
    if is_complete(deployment, status) or current.get("reason") in (TIMED_OUT, PAUSED):
        return None
    return max(0.0, (_deadline(deployment, current) - now).total_seconds()) + 1.0


def _failure(sets: Sets) -> Object | None:
    """The first ReplicaFailure condition, the new ReplicaSet's before the others'."""
    for one in [*([sets.new] if sets.new else []), *sets.old]:
        found = conditions.of(one, "ReplicaFailure")
        if found is not None:
            return found | {"lastUpdateTime": found.get("lastTransitionTime")}
    return None
