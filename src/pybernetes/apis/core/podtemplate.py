# SPDX-License-Identifier: Apache-2.0
"""PodTemplate: a pod template as an object of its own."""

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import NAME, labels_cell, of_containers
from pybernetes.apis.core.podspec.defaults import default_template
from pybernetes.apis.core.podspec.validation import validate_pod_template
from pybernetes.apis.kind import Column, Kind


def _default(obj: Object) -> None:
    default_template(obj.setdefault("template", {}))


def _validate(obj: Object) -> Errors:
    errors: Errors = []
    validate_pod_template(obj.get("template") or {}, "template", errors)
    return errors


POD_TEMPLATE = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    columns=(
        NAME,
        Column("Containers", of_containers("name", "template", "spec")),
        Column("Images", of_containers("image", "template", "spec")),
        Column("Pod Labels", labels_cell("template", "metadata", "labels")),
    ),
)
