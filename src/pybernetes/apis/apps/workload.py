# SPDX-License-Identifier: Apache-2.0
"""What the kinds that make pods from a template share, and little that one of them has alone."""

from typing import Any

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.meta import is_empty_selector
from pybernetes.apis.validation.part import Part


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """True if a label selector matches these labels; True for a bad one, which is found elsewhere."""
    try:
        return selectors.from_label_selector(selector).matches(labels)
    except ValueError:
        return True


def default_controller(controller: Object) -> None:
    """A controller selects, and is labelled, as its template is."""
    spec = controller["spec"]
    labels = look(spec, "template", "metadata", "labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        if not meta.labels(controller):
            controller.setdefault("metadata", {})["labels"] = dict(labels)


def validate_workload(part: Part) -> None:
    """The template of a replica set or controller, a deployment or a daemon set."""
    spec, kind = part.child("spec"), part.get("kind") or ""
    selector = spec.get("selector")
    if kind == "ReplicationController":
        selector = {"matchLabels": selector}
    validate_template(spec, "ReplicaSet" if kind == "Deployment" else kind, selector)


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


def validate_collisions(part: Part, old: Object) -> None:
    """The count of names that were taken only grows."""
    collisions = part.child("status").get("collisionCount") or 0
    if collisions < (look(old, "status", "collisionCount") or 0):
        part.invalid("status.collisionCount", collisions, "cannot be decremented")
