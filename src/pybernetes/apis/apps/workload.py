# SPDX-License-Identifier: Apache-2.0
"""What the kinds that make pods from a template share in validation."""

from typing import Any

from pybernetes.apimachinery import selectors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.meta import is_empty_selector
from pybernetes.apis.validation.part import Part


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """True if a label selector matches these labels; True for a bad one, which is found elsewhere."""
    try:
        return selectors.from_label_selector(selector).matches(labels)
    except ValueError:
        return True


def validate_template(spec: Part, kind: str, selector: Object | None) -> None:
    """The template of a workload with a selector; its pods may only restart Always.

    `kind` is only a word of a message.
    """
    if spec.get("template") is None:
        spec.required("template")
        return
    template = spec.child("template")
    labels = template.child("metadata").get("labels") or {}
    if selector and not is_empty_selector(selector) and not selects(selector, labels):
        text = "`selector` does not match template `labels`"
        template.invalid("metadata.labels", labels, text)
    pod = template.child("spec")
    pod.one_of("restartPolicy", ["Always"])
    if pod.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        pod.forbidden("activeDeadlineSeconds", text)


def is_zero(value: Any) -> bool:
    """True for 0 and "0%"."""
    return value in {0, "0%"}


_COUNTS = (
    *("fullyLabeledReplicas", "readyReplicas", "currentReplicas", "updatedReplicas"),
    "availableReplicas",
)


def validate_status_counts(obj: Part, _: Object) -> None:
    """Numbers of pods in a status: none is greater than status.replicas."""
    status = obj.child("status")
    total = status.get("replicas") or 0
    for field in _COUNTS:
        if (status.get(field) or 0) > total:
            status.invalid(field, status.get(field) or 0, "cannot be greater than status.replicas")
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        status.invalid("availableReplicas", available, "cannot be greater than readyReplicas")
