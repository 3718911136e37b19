# SPDX-License-Identifier: Apache-2.0
"""ReplicaSet, the ReplicationController of old, and the Deployment that rolls from one to another."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.apps.workload import validate_template
from pybernetes.apis.columns import look
from pybernetes.apis.validation.part import Part


def validate_set(part: Part) -> None:
    spec = part.child("spec")
    validate_template(spec, "ReplicaSet", spec.get("selector"))


def default_controller(controller: Object) -> None:
    """A controller selects, and is labelled, as its template is."""
    spec = controller["spec"]
    labels = look(spec, "template", "metadata", "labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        if not meta.labels(controller):
            controller.setdefault("metadata", {})["labels"] = dict(labels)


def validate_controller(part: Part) -> None:
    spec = part.child("spec")
    validate_template(spec, "ReplicationController", {"matchLabels": spec.get("selector")})


def validate_deployment(part: Part) -> None:
    validate_set(part)
    spec = part.child("spec")
    strategy = spec.child("strategy")
    if strategy.get("type") not in {"Recreate", "RollingUpdate"}:
        strategy.unsupported("", strategy.obj, ["Recreate", "RollingUpdate"])
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        spec.invalid("progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def validate_collisions(part: Part, old: Object) -> None:
    """The count of names that were taken only grows."""
    collisions = part.child("status").get("collisionCount") or 0
    if collisions < (look(old, "status", "collisionCount") or 0):
        part.invalid("status.collisionCount", collisions, "cannot be decremented")
