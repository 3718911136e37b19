# SPDX-License-Identifier: Apache-2.0
"""PodDisruptionBudget: how many pods may go at once."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, not_supported
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, look, number
from pybernetes.apis.core.podspec.workload import validate_at_most_100, validate_int_or_percent
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import NEGATIVE, validate_label_selector

_POLICIES = ["AlwaysAllow", "IfHealthyBudget"]
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _validate(budget: Object) -> Errors:
    errors: Errors = []
    spec = budget.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        errors.append(invalid("spec", spec, text))
    for field in ("minAvailable", "maxUnavailable"):
        validate_int_or_percent(spec.get(field), f"spec.{field}", errors)
        validate_at_most_100(spec.get(field), f"spec.{field}", errors)
    validate_label_selector(spec.get("selector"), "spec.selector", errors)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return errors


def _validate_status_update(new: Object, _: Object) -> Errors:
    status = new.get("status") or {}
    return [
        invalid(f"status.{field}", status[field], NEGATIVE)
        for field in _COUNTS
        if (status.get(field) or 0) < 0
    ]


def _amount(field: str) -> Cell:
    def cell(budget: Object, _: datetime.datetime) -> str:
        value = look(budget, "spec", field)
        return "N/A" if value is None else str(value)

    return cell


POD_DISRUPTION_BUDGET = Kind(
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    validate_status_update=_validate_status_update,
    unconditional_update=False,
    columns=(
        NAME,
        Column("Min Available", _amount("minAvailable")),
        Column("Max Unavailable", _amount("maxUnavailable")),
        Column("Allowed Disruptions", number("status", "disruptionsAllowed"), type="integer"),
        AGE,
    ),
)
