# SPDX-License-Identifier: Apache-2.0
"""What the kinds that make pods from a template share in validation."""

from typing import Any

from pybernetes.apimachinery import selectors
from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_template
from pybernetes.apis.validation.meta import (
    NEGATIVE,
    is_empty_selector,
    validate_label_selector,
)
from pybernetes.apis.validation.names import percent


def validate_non_negative(spec: Object, fields: tuple[str, ...], errors: Errors) -> None:
    """Numbers of a spec that may be 0 or missing but not below."""
    for field in fields:
        if (spec.get(field) or 0) < 0:
            errors.append(invalid(f"spec.{field}", spec[field], NEGATIVE))


def validate_selector(spec: Object, errors: Errors, kind: str = "deployment") -> None:
    """The selector of a workload: there, and not selecting everything.

    `kind` is only a word of the message, in which upstream calls replica sets deployments too.
    """
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
        return
    validate_label_selector(selector, "spec.selector", errors)
    if is_empty_selector(selector):
        text = f"empty selector is invalid for {kind}"
        errors.append(invalid("spec.selector", selector, text))


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """True if a label selector matches these labels; True for a bad one, which is found elsewhere."""
    try:
        return selectors.from_label_selector(selector).matches(labels)
    except ValueError:
        return True


def validate_template(spec: Object, errors: Errors, *, always: str = "") -> None:
    """The template of a workload with a selector.

    `always`: the kind of workload, for those whose pods may only restart Always.
    """
    template = spec.get("template")
    if template is None:
        errors.append(required("spec.template"))
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector") or {}
    if not is_empty_selector(selector) and not selects(selector, labels):
        text = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels, text))
    validate_pod_template(template, "spec.template", errors)
    policy = (template.get("spec") or {}).get("restartPolicy")
    at = "spec.template.spec"
    if always and policy != "Always":
        errors.append(not_supported(f"{at}.restartPolicy", policy, ["Always"]))
    if always and (template.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {always} is not Supported"
        errors.append(forbidden(f"{at}.activeDeadlineSeconds", text))


def validate_int_or_percent(value: Any, at: str, errors: Errors) -> None:
    """A count that is not negative, or a percentage."""
    if isinstance(value, str):
        for text in percent(value):
            errors.append(invalid(at, value, text))
    elif value is not None and value < 0:
        errors.append(invalid(at, value, NEGATIVE))


def is_zero(value: Any) -> bool:
    """True for 0 and "0%"."""
    return value in {0, "0%"}


def validate_at_most_100(value: Any, at: str, errors: Errors) -> None:
    if isinstance(value, str) and not percent(value) and int(value[:-1]) > 100:
        errors.append(invalid(at, value, "must not be greater than 100%"))


def validate_status_counts(
    status: Object, counts: tuple[str, ...], more: tuple[str, ...], errors: Errors
) -> None:
    """Numbers of pods in a status: none negative, `counts` at most status.replicas."""
    for field in ("observedGeneration", "replicas", *counts, *more):
        if (status.get(field) or 0) < 0:
            errors.append(invalid(f"status.{field}", status[field], NEGATIVE))
    total = status.get("replicas") or 0
    for field in counts:
        if (status.get(field) or 0) > total:
            text = "cannot be greater than status.replicas"
            errors.append(invalid(f"status.{field}", status[field], text))
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        text = "cannot be greater than readyReplicas"
        errors.append(invalid("status.availableReplicas", available, text))


def status_replicas(obj: Object) -> dict[str, str]:
    """The selectable field of ReplicaSet and ReplicationController."""
    return {"status.replicas": str((obj.get("status") or {}).get("replicas") or 0)}
