# SPDX-License-Identifier: Apache-2.0
"""ReplicaSet, the ReplicationController of old, and the Deployment that rolls from one to another."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.apps.workload import (
    at_most_all,
    count_or_percent,
    is_zero,
    validate_selector,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.columns import (
    AGE,
    NAME,
    container_columns,
    labels_cell,
    look,
    number,
    selector_cell,
)
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.part import Part, creating, updating

_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
_COLUMNS = (
    NAME,
    Column("Desired", number("spec", "replicas"), type="integer"),
    Column("Current", number("status", "replicas"), type="integer"),
    Column("Ready", number("status", "readyReplicas"), type="integer"),
    AGE,
    *container_columns("spec", "template", "spec"),
)


def _fields(obj: Object) -> dict[str, str]:
    return {"status.replicas": str((obj.get("status") or {}).get("replicas") or 0)}


def _default_set(replica_set: Object) -> None:
    spec: Object = replica_set.setdefault("spec", {})
    fill_missing(spec, {"replicas": 1})
    default_template(spec.setdefault("template", {}))


def _set(part: Part) -> None:
    spec = part.child("spec")
    spec.counts("replicas", "minReadySeconds")
    validate_selector(spec)
    validate_template(spec, "ReplicaSet", spec.get("selector"))


def _set_status(part: Part) -> None:
    validate_status_counts(part, _COUNTS, ("terminatingReplicas",))


REPLICA_SET = Kind(
    default=_default_set,
    validate_create=creating(_set),
    validate_update=updating(_set, "spec.selector"),
    validate_status_update=updating(_set_status),
    fields=_fields,
    field_names=("status.replicas",),
    columns=(*_COLUMNS, Column("Selector", selector_cell("spec", "selector"), priority=1)),
)


def _default_controller(controller: Object) -> None:
    spec: Object = controller.setdefault("spec", {})
    labels = look(spec, "template", "metadata", "labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        if not meta.labels(controller):
            controller.setdefault("metadata", {})["labels"] = dict(labels)
    fill_missing(spec, {"replicas": 1})
    if spec.get("template") is not None:
        default_template(spec["template"])


def _controller(part: Part) -> None:
    spec = part.child("spec")
    spec.counts("minReadySeconds", "replicas")
    spec.need("selector")
    validate_template(spec, "ReplicationController", {"matchLabels": spec.get("selector")})


REPLICATION_CONTROLLER = Kind(
    default=_default_controller,
    validate_create=creating(_controller),
    validate_update=updating(_controller),
    validate_status_update=updating(lambda part: validate_status_counts(part, _COUNTS, ())),
    fields=_fields,
    field_names=("status.replicas",),
    columns=(*_COLUMNS, Column("Selector", labels_cell("spec", "selector"), priority=1)),
)


def _default(deployment: Object) -> None:
    spec: Object = deployment.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy: Object = spec.setdefault("strategy", {})
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill_missing(strategy, {"rollingUpdate": {}})
        fill_missing(strategy["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})
    fill_missing(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})


def _prepare_update(new: Object, old: Object) -> None:
    """Annotations are copied to replica sets, so changing them is a new generation too."""
    if meta.annotations(new) != meta.annotations(old):
        new["metadata"]["generation"] = (meta.metadata(old).get("generation") or 0) + 1


def _deployment(part: Part) -> None:
    spec = part.child("spec")
    validate_selector(spec)
    validate_template(spec, "ReplicaSet", spec.get("selector"))
    _strategy(spec)
    spec.counts("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        spec.invalid("progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy(spec: Part) -> None:
    strategy = spec.child("strategy")
    if strategy.get("type") == "Recreate":
        if strategy.get("rollingUpdate") is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            strategy.forbidden("rollingUpdate", text)
    elif strategy.get("type") != "RollingUpdate":
        strategy.unsupported("", strategy.obj, ["Recreate", "RollingUpdate"])
    else:
        rolling = strategy.child("rollingUpdate")
        unavailable = rolling.get("maxUnavailable")
        rolling.set_rule("maxUnavailable", count_or_percent)
        rolling.set_rule("maxSurge", count_or_percent)
        if is_zero(unavailable) and is_zero(rolling.get("maxSurge")):
            rolling.invalid("maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
        rolling.set_rule("maxUnavailable", at_most_all)


def _deployment_status(new: Object, old: Object) -> Errors:
    part = Part(new)
    counts = ("updatedReplicas", "readyReplicas", "availableReplicas")
    more = ("unavailableReplicas", "terminatingReplicas", "collisionCount")
    validate_status_counts(part, counts, more)
    collisions = part.child("status").get("collisionCount") or 0
    if collisions < (look(old, "status", "collisionCount") or 0):
        part.invalid("status.collisionCount", collisions, "cannot be decremented")
    return part.errors


def ready(workload: Object, _: datetime.datetime) -> str:
    """A cell: how many of the replicas wanted are ready."""
    found = look(workload, "status", "readyReplicas") or 0
    return f"{found}/{look(workload, 'spec', 'replicas') or 0}"


DEPLOYMENT = Kind(
    default=_default,
    prepare_update=_prepare_update,
    validate_create=creating(_deployment),
    validate_update=updating(_deployment, "spec.selector"),
    validate_status_update=_deployment_status,
    columns=(
        NAME,
        Column("Ready", ready),
        Column("Up-to-date", number("status", "updatedReplicas")),
        Column("Available", number("status", "availableReplicas")),
        AGE,
        *container_columns("spec", "template", "spec"),
        Column("Selector", selector_cell("spec", "selector", empty=""), priority=1),
    ),
)
