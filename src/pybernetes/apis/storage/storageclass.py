# SPDX-License-Identifier: Apache-2.0
"""StorageClass: how volumes are made for claims."""

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required, too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable
from pybernetes.apis.validation.names import qualified_name

_POLICIES = ["Delete", "Retain"]
_MODES = ["Immediate", "WaitForFirstConsumer"]
_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def _default(class_: Object) -> None:
    fill_missing(class_, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _validate(class_: Object) -> Errors:
    errors: Errors = []
    provisioner, parameters = class_.get("provisioner") or "", class_.get("parameters") or {}
    if not provisioner:
        errors.append(required("provisioner"))
    wrong = qualified_name(provisioner.lower()) if provisioner else ()
    errors.extend(invalid("provisioner", provisioner, text) for text in wrong)
    if len(parameters) > 512:
        errors.append(too_long("parameters", 512))
    if "" in parameters:
        errors.append(invalid("parameters", "", "field can not be empty."))
    if sum(len(key) + len(value) for key, value in parameters.items()) > 256 * 1024:
        errors.append(too_long("parameters", 256 * 1024))
    for field, known in (("reclaimPolicy", _POLICIES), ("volumeBindingMode", _MODES)):
        value = class_.get(field)
        if value is None and field == "volumeBindingMode":
            errors.append(required(field))
        elif value and value not in known:
            errors.append(not_supported(field, value, known))
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    for field in _FIXED:
        validate_immutable(new.get(field), old.get(field), field, errors)
    return errors


STORAGE_CLASS = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("Provisioner", text("provisioner")),
        Column("ReclaimPolicy", text("reclaimPolicy", empty="Delete")),
        Column("VolumeBindingMode", text("volumeBindingMode", empty="Immediate")),
        Column("AllowVolumeExpansion", lambda obj, _: bool(obj.get("allowVolumeExpansion"))),
        AGE,
    ),
)
