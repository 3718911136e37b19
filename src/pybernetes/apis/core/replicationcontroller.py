# SPDX-License-Identifier: Apache-2.0
"""ReplicationController: the ReplicaSet of old, with a plain selector."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, container_columns, labels_cell, look, number
from pybernetes.apis.core.podspec.defaults import default_template, fill_missing
from pybernetes.apis.core.podspec.workload import (
    status_replicas,
    validate_non_negative,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.kind import Column, Kind


def _default(controller: Object) -> None:
    spec: Object = controller.setdefault("spec", {})
    labels = look(spec, "template", "metadata", "labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        if not meta.labels(controller):
            controller.setdefault("metadata", {})["labels"] = dict(labels)
    fill_missing(spec, {"replicas": 1})
    if spec.get("template") is not None:
        default_template(spec["template"])


def _validate(controller: Object) -> Errors:
    errors: Errors = []
    spec = controller["spec"]
    validate_non_negative(spec, ("minReadySeconds", "replicas"), errors)
    if not spec.get("selector"):
        errors.append(required("spec.selector"))
    as_selector = {**spec, "selector": {"matchLabels": spec.get("selector") or {}}}
    validate_template(as_selector, errors, always="ReplicationController")
    return errors


_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _validate_status_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    validate_status_counts(new.get("status") or {}, _COUNTS, (), errors)
    return errors


REPLICATION_CONTROLLER = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    validate_status_update=_validate_status_update,
    fields=status_replicas,
    field_names=("status.replicas",),
    columns=(
        NAME,
        Column("Desired", number("spec", "replicas"), type="integer"),
        Column("Current", number("status", "replicas"), type="integer"),
        Column("Ready", number("status", "readyReplicas"), type="integer"),
        AGE,
        *container_columns("spec", "template", "spec"),
        Column("Selector", labels_cell("spec", "selector"), priority=1),
    ),
)
