# SPDX-License-Identifier: Apache-2.0
"""RuntimeClass: which handler of the container runtime runs a pod."""

from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, text
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.core.taints import validate_tolerations
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable, validate_labels
from pybernetes.apis.validation.names import dns1123_label


def _validate(class_: Object) -> Errors:
    errors: Errors = []
    handler = class_.get("handler") or ""
    if not handler:
        errors.append(required("handler"))
    else:
        errors.extend(invalid("handler", handler, text) for text in dns1123_label(handler))
    if class_.get("overhead") is not None:
        amounts = class_["overhead"].get("podFixed") or {}
        validate_resources({"limits": amounts}, "overhead", errors)
    selector = look(class_, "scheduling", "nodeSelector") or {}
    validate_labels(selector, "scheduling.nodeSelector", errors)
    tolerations = look(class_, "scheduling", "tolerations") or ()
    validate_tolerations(tolerations, "scheduling.tolerations", errors)
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    validate_immutable(new.get("handler"), old.get("handler"), "handler", errors)
    return errors


RUNTIME_CLASS = Kind(
    validate_create=_validate,
    validate_update=_validate_update,
    create_on_update=True,
    unconditional_update=False,
    columns=(NAME, Column("Handler", text("handler")), AGE),
)
