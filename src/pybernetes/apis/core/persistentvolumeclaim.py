# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumeClaim: a request for storage, which a volume then satisfies."""

import datetime

from pybernetes.apimachinery import meta, quantity
from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional, text
from pybernetes.apis.core.podspec.defaults import fill
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import same, validate_label_selector
from pybernetes.apis.validation.names import dns1123_subdomain

ACCESS_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
VOLUME_MODES = ["Block", "Filesystem"]
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_FROZEN = (
    "spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims"
)


def storage_class(obj: Object) -> str:
    """The class of a claim or a volume; the old annotation wins."""
    old = meta.annotations(obj).get(CLASS_ANNOTATION)
    return old if old is not None else look(obj, "spec", "storageClassName") or ""


def default_claim(claim: Object) -> None:
    """Also the claims that StatefulSets keep as templates."""
    fill(claim.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    fill(claim.setdefault("status", {}), {"phase": "Pending"})


def _prepare_create(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}


def validate_access_modes(modes: list[str], at: str, errors: Errors) -> None:
    for mode in modes:
        if mode not in ACCESS_MODES:
            errors.append(not_supported(at, mode, ACCESS_MODES))
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        text = "may not use ReadWriteOncePod with other access modes"
        errors.append(forbidden(at, text))


def validate_claim_spec(spec: Object, at: str, errors: Errors) -> None:
    modes = spec.get("accessModes") or []
    if not modes:
        errors.append(required(f"{at}.accessModes", "at least 1 access mode is required"))
    validate_label_selector(spec.get("selector"), f"{at}.selector", errors)
    validate_access_modes(modes, f"{at}.accessModes", errors)
    size = look(spec, "resources", "requests", "storage")
    path = f"{at}.resources[storage]"
    if size is None:
        errors.append(required(path))
    elif quantity.parse(size).nano <= 0:
        errors.append(invalid(path, size, "must be greater than zero"))
    for field in ("storageClassName", "volumeAttributesClassName"):
        name = spec.get(field)
        wrong = dns1123_subdomain(name) if name else ()
        errors.extend(invalid(f"{at}.{field}", name, text) for text in wrong)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(not_supported(f"{at}.volumeMode", mode, VOLUME_MODES))
    if spec.get("dataSource") is not None:
        _data_source(spec["dataSource"], f"{at}.dataSource", errors)


def _data_source(source: Object, at: str, errors: Errors) -> None:
    for field in ("name", "kind"):
        if not source.get(field):
            errors.append(required(f"{at}.{field}"))
    if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid(f"{at}.kind", source.get("kind"), text))


def _validate(claim: Object) -> Errors:
    errors: Errors = []
    validate_claim_spec(claim.get("spec") or {}, "spec", errors)
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    spec, was = dict(new["spec"]), dict(old["spec"])
    if not was.get("volumeName"):
        was["volumeName"] = spec.get("volumeName")
    bound = look(old, "status", "phase") == "Bound"
    size, before = look(spec, "resources", "requests"), look(was, "resources", "requests")
    if bound:
        _grow(size or {}, before or {}, errors)
        spec["resources"] = {**(spec.get("resources") or {}), "requests": before}
        spec.pop("volumeAttributesClassName", None)
        was.pop("volumeAttributesClassName", None)
    if not was.get("storageClassName"):
        was["storageClassName"] = spec.get("storageClassName")  # defaulted after the fact
    changed = sorted(key for key in {*spec, *was} if not same(spec.get(key), was.get(key)))
    if changed:
        listed = ", ".join(f"spec.{field}" for field in changed)
        errors.append(forbidden("spec", f"{_FROZEN}\nchanged: {listed}"))
    return errors


def _grow(new: dict[str, str], old: dict[str, str], errors: Errors) -> None:
    size, before = (quantity.parse(one.get("storage") or "0") for one in (new, old))
    if "storage" in new and size < before:
        text = "field can not be less than status.capacity"
        errors.append(forbidden("spec.resources.requests.storage", text))


def modes_text(modes: list[str] | None) -> str:
    """Access modes as "RWO,ROX", in upstream's order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def phase(obj: Object, _: datetime.datetime) -> str:
    return "Terminating" if meta.is_deleting(obj) else look(obj, "status", "phase") or ""


def _capacity(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return (look(claim, "status", "capacity", "storage") or "0") if bound else ""


def _modes(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return modes_text(look(claim, "status", "accessModes")) if bound else ""


PERSISTENT_VOLUME_CLAIM = Kind(
    default=default_claim,
    prepare_create=_prepare_create,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("Status", phase),
        Column("Volume", text("spec", "volumeName")),
        Column("Capacity", _capacity),
        Column("Access Modes", _modes),
        Column("StorageClass", lambda claim, _: storage_class(claim)),
        Column("VolumeAttributesClass", optional("spec", "volumeAttributesClassName")),
        AGE,
        Column("VolumeMode", optional("spec", "volumeMode"), priority=1),
    ),
)
