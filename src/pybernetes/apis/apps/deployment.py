# SPDX-License-Identifier: Apache-2.0
"""Deployment: replaced by rolling update unless it says Recreate."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import (
    Errors,
    forbidden,
    invalid,
    not_supported,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, container_columns, look, number, selector_cell
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.core.podspec.workload import (
    is_zero,
    validate_at_most_100,
    validate_int_or_percent,
    validate_non_negative,
    validate_selector,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable


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


def _validate(deployment: Object) -> Errors:
    errors: Errors = []
    spec = deployment["spec"]
    validate_non_negative(spec, ("replicas",), errors)
    validate_selector(spec, errors)
    validate_template(spec, errors, always="ReplicaSet")
    _strategy(spec.get("strategy") or {}, errors)
    validate_non_negative(
        spec, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"), errors
    )
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        text = "must be greater than minReadySeconds"
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, text))
    return errors


def _strategy(strategy: Object, errors: Errors) -> None:
    type_, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    at = "spec.strategy"
    if type_ == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(forbidden(f"{at}.rollingUpdate", text))
    elif type_ != "RollingUpdate":
        errors.append(not_supported(at, strategy, ["Recreate", "RollingUpdate"]))
    else:
        _rolling(rolling or {}, f"{at}.rollingUpdate", errors)


def _rolling(rolling: Object, at: str, errors: Errors) -> None:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    validate_int_or_percent(unavailable, f"{at}.maxUnavailable", errors)
    validate_int_or_percent(surge, f"{at}.maxSurge", errors)
    if is_zero(unavailable) and is_zero(surge):
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{at}.maxUnavailable", unavailable, text))
    validate_at_most_100(unavailable, f"{at}.maxUnavailable", errors)


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    validate_immutable(
        new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors
    )
    return errors


_COUNTS = ("updatedReplicas", "readyReplicas", "availableReplicas")
_MORE = ("unavailableReplicas", "terminatingReplicas", "collisionCount")


def _validate_status_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    status = new.get("status") or {}
    validate_status_counts(status, _COUNTS, _MORE, errors)
    collisions = status.get("collisionCount") or 0
    if collisions < (look(old, "status", "collisionCount") or 0):
        errors.append(invalid("status.collisionCount", collisions, "cannot be decremented"))
    return errors


def _ready(deployment: Object, _: datetime.datetime) -> str:
    ready = look(deployment, "status", "readyReplicas") or 0
    return f"{ready}/{look(deployment, 'spec', 'replicas') or 0}"


DEPLOYMENT = Kind(
    default=_default,
    prepare_update=_prepare_update,
    validate_create=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    columns=(
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", number("status", "updatedReplicas")),
        Column("Available", number("status", "availableReplicas")),
        AGE,
        *container_columns("spec", "template", "spec"),
        Column("Selector", selector_cell("spec", "selector", empty=""), priority=1),
    ),
)
