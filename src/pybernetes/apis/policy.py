# SPDX-License-Identifier: Apache-2.0
"""policy: PodDisruptionBudget: how many pods may go at once."""

from pybernetes.apis.apps.workload import at_most_all, count_or_percent
from pybernetes.apis.columns import AGE, NAME, number, optional
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.part import Part, creating, updating

_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _budget(budget: Part) -> None:
    spec = budget.child("spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        spec.invalid("", spec.obj, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        spec.set_rule(field, count_or_percent)
        spec.set_rule(field, at_most_all)
    validate_label_selector(spec, "selector")
    spec.choice("unhealthyPodEvictionPolicy", ["AlwaysAllow", "IfHealthyBudget"])


POD_DISRUPTION_BUDGET = Kind(
    validate_create=creating(_budget),
    validate_update=updating(_budget),
    validate_status_update=updating(lambda budget: budget.child("status").counts(*_COUNTS)),
    unconditional_update=False,
    columns=(
        NAME,
        Column("Min Available", optional("spec", "minAvailable", missing="N/A")),
        Column("Max Unavailable", optional("spec", "maxUnavailable", missing="N/A")),
        Column("Allowed Disruptions", number("status", "disruptionsAllowed"), type="integer"),
        AGE,
    ),
)
