# SPDX-License-Identifier: Apache-2.0
"""ReplicaSet: so many pods of one template."""

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, container_columns, number, selector_cell
from pybernetes.apis.core.podspec.defaults import default_template, fill_missing
from pybernetes.apis.core.podspec.workload import (
    status_replicas,
    validate_non_negative,
    validate_selector,
    validate_status_counts,
    validate_template,
)
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable


def _default(replica_set: Object) -> None:
    spec: Object = replica_set.setdefault("spec", {})
    fill_missing(spec, {"replicas": 1})
    default_template(spec.setdefault("template", {}))


def _validate(replica_set: Object) -> Errors:
    errors: Errors = []
    spec = replica_set["spec"]
    validate_non_negative(spec, ("replicas", "minReadySeconds"), errors)
    validate_selector(spec, errors)
    validate_template(spec, errors, always="ReplicaSet")
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    validate_immutable(
        new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors
    )
    return errors


_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _validate_status_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    validate_status_counts(new.get("status") or {}, _COUNTS, ("terminatingReplicas",), errors)
    return errors


REPLICA_SET = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
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
        Column("Selector", selector_cell("spec", "selector"), priority=1),
    ),
)
