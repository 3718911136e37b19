# SPDX-License-Identifier: Apache-2.0
"""DaemonSet: one pod on every node that fits."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import (
    AGE,
    NAME,
    container_columns,
    labels_cell,
    number,
    selector_cell,
)
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.core.podspec.workload import (
    is_zero,
    validate_at_most_100,
    validate_int_or_percent,
    validate_non_negative,
    validate_selector,
    validate_template,
)
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import NEGATIVE, same, validate_immutable

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_STATUS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def _default(daemon_set: Object) -> None:
    spec: Object = daemon_set.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy: Object = spec.setdefault("updateStrategy", {})
    fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill_missing(strategy, {"rollingUpdate": {}})
        fill_missing(strategy["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})
    fill_missing(spec, {"revisionHistoryLimit": 10})


def _set_generation(daemon_set: Object, generation: int) -> None:
    annotations = {**meta.annotations(daemon_set), TEMPLATE_GENERATION: str(generation)}
    daemon_set["metadata"]["annotations"] = annotations


def _prepare_create(daemon_set: Object) -> None:
    _set_generation(daemon_set, 1)


def _prepare_update(new: Object, old: Object) -> None:
    """The template's own generation, which old clients know, follows the template."""
    text = meta.annotations(old).get(TEMPLATE_GENERATION, "")
    generation = int(text) if text.isdigit() else 0
    changed = not same(new["spec"].get("template"), old["spec"].get("template"))
    _set_generation(new, generation + changed)


def _validate(daemon_set: Object) -> Errors:
    errors: Errors = []
    spec = daemon_set["spec"]
    validate_selector(spec, errors, "daemonset")
    validate_template(spec, errors, always="DaemonSet")
    validate_non_negative(spec, ("minReadySeconds", "revisionHistoryLimit"), errors)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "RollingUpdate":
        _rolling(strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate", errors)
    elif strategy.get("type") != "OnDelete":
        known = ["RollingUpdate", "OnDelete"]
        errors.append(not_supported("spec.updateStrategy", strategy, known))
    return errors


def _rolling(rolling: Object, at: str, errors: Errors) -> None:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        validate_int_or_percent(value, f"{at}.{field}", errors)
        validate_at_most_100(value, f"{at}.{field}", errors)
    if not is_zero(unavailable) and not is_zero(surge):
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(invalid(f"{at}.maxSurge", surge, text))
    elif is_zero(unavailable) and is_zero(surge):
        errors.append(required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    selector, was = new["spec"].get("selector"), old["spec"].get("selector")
    validate_immutable(selector, was, "spec.selector", errors)
    return errors


def _validate_status_update(new: Object, _: Object) -> Errors:
    status = new.get("status") or {}
    return [
        invalid(f"status.{field}", status[field], NEGATIVE)
        for field in _STATUS
        if (status.get(field) or 0) < 0
    ]


DAEMON_SET = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate_create=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    columns=(
        NAME,
        Column("Desired", number("status", "desiredNumberScheduled"), type="integer"),
        Column("Current", number("status", "currentNumberScheduled"), type="integer"),
        Column("Ready", number("status", "numberReady"), type="integer"),
        Column("Up-to-date", number("status", "updatedNumberScheduled"), type="integer"),
        Column("Available", number("status", "numberAvailable"), type="integer"),
        Column("Node Selector", labels_cell("spec", "template", "spec", "nodeSelector")),
        AGE,
        *container_columns("spec", "template", "spec"),
        Column("Selector", selector_cell("spec", "selector"), priority=1),
    ),
)
