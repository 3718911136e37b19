# SPDX-License-Identifier: Apache-2.0
"""Decides the next step for one StatefulSet, and its status. Pure.

Source: upstream's stateful_set_control. Ordered sets take one step at a time and wait for the pod
to be healthy; parallel ones take all steps at once. Updates go from the highest ordinal down.
"""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from pybernetes.apimachinery import intstr, meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished, is_ready, phase
from pybernetes.controllers.runtime.pods import available_in
from pybernetes.controllers.runtime.revisions import HASH_LABEL, Revisions
from pybernetes.controllers.statefulset.identity import Slots, ordinal, start


class Step(NamedTuple):
    """`create`: ordinals. `recreate`: pods that ended, to delete so that they are made anew."""

    create: list[int]
    recreate: list[Object]
    delete: list[Object]


def plan_step(
    stateful_set: Object, slots: Slots, revisions: Revisions, now: datetime.datetime
) -> Step:
    """What to do now; nothing where a pod has to become healthy (or to go) first."""
    step = Step([], [], [])
    ordered = stateful_set["spec"].get("podManagementPolicy") != "Parallel"
    for number, pod in slots.wanted.items():
        if pod is None:
            step.create.append(number)
        elif is_finished(pod) and not meta.is_deleting(pod):
            step.recreate.append(pod)
        elif _settled(stateful_set, pod, now):
            continue
        if ordered:
            return step
    if _scale_down(slots, step, ordered=ordered) and ordered:
        return step
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete" and not step.create:
        step.delete.extend(_update(stateful_set, slots, meta.name(revisions.update), now))
    return step


def _settled(stateful_set: Object, pod: Object, now: datetime.datetime) -> bool:
    return _healthy(pod) and available_in(stateful_set, pod, now) == 0


def _healthy(pod: Object) -> bool:
    return phase(pod) == "Running" and is_ready(pod) and not meta.is_deleting(pod)


def _scale_down(slots: Slots, step: Step, *, ordered: bool) -> bool:
    """Pods too many, highest ordinal first; True if there are any."""
    everyone = [*filter(None, slots.wanted.values()), *reversed(slots.condemned)]
    unhealthy = next((pod for pod in everyone if not _healthy(pod)), None)
    for pod in slots.condemned[: 1 if ordered else None]:
        waits = ordered and not _healthy(pod) and pod is not unhealthy
        if not waits and not meta.is_deleting(pod):
            step.delete.append(pod)
    return bool(slots.condemned)


def _update(
    stateful_set: Object, slots: Slots, revision: str, now: datetime.datetime
) -> list[Object]:
    """Old pods that go now: from the highest ordinal down to the partition."""
    rolling = (stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    lowest = start(stateful_set) + (rolling.get("partition") or 0)
    total = stateful_set["spec"].get("replicas", 1)
    allowed = max(1, intstr.scaled(rolling.get("maxUnavailable", 1), total, round_up=True))
    pods = [pod for pod in slots.wanted.values() if pod is not None]
    gone = sum(not _settled(stateful_set, pod, now) for pod in pods)
    found: list[Object] = []
    for number, pod in sorted(slots.wanted.items(), reverse=True):
        if number < lowest or pod is None:
            continue
        old = meta.labels(pod).get(HASH_LABEL) != revision
        if old and not meta.is_deleting(pod):
            if _settled(stateful_set, pod, now):
                gone += 1
                if gone > allowed:
                    return found
            found.append(pod)
            if len(found) >= allowed:
                return found
        elif not _settled(stateful_set, pod, now) and gone >= allowed:
            return found
    return found


def revision_for(stateful_set: Object, revisions: Revisions, number: int) -> Object:
    """The revision that pod `number` is made after."""
    spec, status = stateful_set["spec"], stateful_set.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return revisions.update
    rolling = strategy.get("rollingUpdate")
    kept = status.get("currentReplicas") if rolling is None else rolling.get("partition")
    old = number < start(stateful_set) + (kept or 0)
    return revisions.current if old else revisions.update


def plan_status(
    stateful_set: Object, pods: Iterable[Object], revisions: Revisions, now: datetime.datetime
) -> Object:
    """The new status, without collisionCount."""
    mine = [pod for pod in pods if ordinal(stateful_set, pod) >= 0]
    running = [pod for pod in mine if phase(pod) == "Running" and is_ready(pod)]
    current, update = meta.name(revisions.current), meta.name(revisions.update)
    live = [pod for pod in mine if not meta.is_deleting(pod)]
    old = [pod for pod in live if meta.labels(pod).get(HASH_LABEL) == current]
    new = [pod for pod in live if meta.labels(pod).get(HASH_LABEL) == update]
    status: Object = {
        "replicas": len(mine),
        "readyReplicas": len(running),
        "availableReplicas": sum(available_in(stateful_set, pod, now) == 0 for pod in running),
        "currentReplicas": len(old),
        "updatedReplicas": len(new),
        "currentRevision": current,
        "updateRevision": update,
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
    }
    strategy = (stateful_set["spec"].get("updateStrategy") or {}).get("type")
    done = len(new) == len(mine) == len(running) == stateful_set["spec"].get("replicas", 1)
    if strategy == "RollingUpdate" and done:
        status["currentReplicas"] = len(new)
        status["currentRevision"] = update
    return status
