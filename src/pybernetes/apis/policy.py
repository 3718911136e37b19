# SPDX-License-Identifier: Apache-2.0
"""policy: PodDisruptionBudget: how many pods may go at once."""

from pybernetes.apis.validation.part import Part


def validate_budget(budget: Part) -> None:
    spec = budget.child("spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        spec.invalid("", spec.obj, "minAvailable and maxUnavailable cannot be both set")
