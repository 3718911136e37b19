# SPDX-License-Identifier: Apache-2.0
"""Decides for one ReplicaSet (or ReplicationController): pods to make and delete, and its status."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_active, is_ready
from pybernetes.controllers.runtime.pods import available_in, is_terminating, to_delete
from pybernetes.controllers.runtime.workload import comparable

BURST = 500  # pods made or deleted in one go


class Plan(NamedTuple):
    create: int
    delete: list[Object]


def plan_replicas(
    owner: Object, active: Sequence[Object], related: Sequence[Object], now: datetime.datetime
) -> Plan:
    """`active`: the owner's active pods; `related`: pods of all its siblings."""
    wanted = owner["spec"].get("replicas", 1)
    missing = wanted - len(active)
    if missing >= 0:
        return Plan(min(missing, BURST), [])
    return Plan(0, to_delete(active, related, min(-missing, BURST), now))


def plan_status(
    owner: Object, pods: Sequence[Object], failure: str, now: datetime.datetime
) -> Object:
    """The new status. `pods`: all claimed ones; `failure`: of making or deleting pods, or ""."""
    spec, old = owner["spec"], owner.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    labels = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    full = [pod for pod in active if labels.items() <= meta.labels(pod).items()]
    available = [pod for pod in active if available_in(pod, min_ready, now) == 0]
    status: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": len(full),
        "readyReplicas": len([pod for pod in active if is_ready(pod)]),
        "availableReplicas": len(available),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    if owner["kind"] == "ReplicaSet":
        status["terminatingReplicas"] = len([pod for pod in pods if is_terminating(pod)])
    listed = _conditions(old, failure, len(active) - spec.get("replicas", 1), now)
    if listed:
        status["conditions"] = listed
    return comparable(status)


def _conditions(old: Object, failure: str, diff: int, now: datetime.datetime) -> list[Object]:
    listed = list(old.get("conditions") or ())
    known = conditions.find(listed, "ReplicaFailure")
    if failure and known is None:
        reason = "FailedCreate" if diff < 0 else "FailedDelete" if diff > 0 else ""
        words = (reason, failure)
        return conditions.put(listed, conditions.new("ReplicaFailure", "True", words, now))
    return listed if failure else conditions.without(listed, "ReplicaFailure")
