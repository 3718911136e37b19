# SPDX-License-Identifier: Apache-2.0
"""PersistentVolume: storage that a claim may be bound to."""

import datetime

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional, text
from pybernetes.apis.core.nodeaffinity import validate_node_selector
from pybernetes.apis.core.persistentvolumeclaim import (
    VOLUME_MODES,
    modes_text,
    phase,
    storage_class,
    validate_access_modes,
)
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import same
from pybernetes.apis.validation.names import dns1123_subdomain

_POLICIES = ["Delete", "Recycle", "Retain"]
_NO_SOURCE = frozenset(
    {
        "capacity",
        "accessModes",
        "claimRef",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "mountOptions",
        "volumeMode",
        "nodeAffinity",
        "volumeAttributesClassName",
    }
)


def sources(volume: Object) -> list[str]:
    """Which fields of its spec say where the storage is: one in a good volume."""
    spec = volume.get("spec") or {}
    return [name for name in spec if name not in _NO_SOURCE and spec[name] is not None]


def _default(volume: Object) -> None:
    fill(volume.setdefault("status", {}), {"phase": "Pending"})
    spec: Object = volume.setdefault("spec", {})
    fill(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    if spec.get("hostPath") is not None:
        fill_missing(spec["hostPath"], {"type": ""})


def _prepare_create(volume: Object) -> None:
    volume["status"] = {"phase": "Pending"}


def _validate(volume: Object) -> Errors:
    errors: Errors = []
    spec = volume.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        errors.append(required("spec.accessModes"))
    validate_access_modes(modes, "spec.accessModes", errors)
    _capacity(spec, errors)
    policy, mode = spec.get("persistentVolumeReclaimPolicy"), spec.get("volumeMode")
    if policy not in _POLICIES:
        errors.append(not_supported("spec.persistentVolumeReclaimPolicy", policy, _POLICIES))
    selector = look(spec, "nodeAffinity", "required")
    if spec.get("nodeAffinity") is not None:
        if selector is None:
            text = "must specify required node constraints"
            errors.append(required("spec.nodeAffinity.required", text))
        else:
            validate_node_selector(selector, "spec.nodeAffinity.required", errors)
    _source(volume, errors)
    class_ = spec.get("storageClassName") or ""
    wrong = dns1123_subdomain(class_) if class_ else ()
    errors.extend(invalid("spec.storageClassName", class_, text) for text in wrong)
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(not_supported("spec.volumeMode", mode, VOLUME_MODES))
    return errors


def _capacity(spec: Object, errors: Errors) -> None:
    capacity = spec.get("capacity") or {}
    if not capacity:
        errors.append(required("spec.capacity"))
    elif list(capacity) != ["storage"]:
        errors.append(not_supported("spec.capacity", capacity, ["storage"]))
    for name, amount in capacity.items():
        if quantity.parse(amount).nano <= 0:
            text = "must be greater than zero"
            errors.append(invalid(f"spec.capacity[{name}]", amount, text))


def _source(volume: Object, errors: Errors) -> None:
    spec, used = volume.get("spec") or {}, sources(volume)
    if not used:
        errors.append(required("spec", "must specify a volume type"))
    for name in used[1:]:
        errors.append(forbidden(f"spec.{name}", "may not specify more than 1 volume type"))
    for name in ("hostPath", "local"):
        if spec.get(name) is not None and not spec[name].get("path"):
            errors.append(required(f"spec.{name}.path"))
    if spec.get("local") is not None and spec.get("nodeAffinity") is None:
        text = "Local volume requires node affinity"
        errors.append(required("spec.nodeAffinity", text))


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    spec, was = new["spec"], old["spec"]
    for name in sources(old):
        if not same(spec.get(name), was[name]):
            text = "spec.persistentvolumesource is immutable after creation"
            errors.append(forbidden("spec.persistentvolumesource", text))
    if spec.get("volumeMode") != was.get("volumeMode"):
        errors.append(invalid("spec.volumeMode", spec.get("volumeMode"), "field is immutable"))
    if was.get("nodeAffinity") is not None and spec.get("nodeAffinity") != was["nodeAffinity"]:
        text = "field is immutable"
        errors.append(invalid("spec.nodeAffinity", spec.get("nodeAffinity"), text))
    return errors


def _claim(volume: Object, _: datetime.datetime) -> str:
    claim = look(volume, "spec", "claimRef")
    return f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else ""


PERSISTENT_VOLUME = Kind(
    default=_default,
    prepare_create=_prepare_create,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("Capacity", text("spec", "capacity", "storage", empty="0")),
        Column("Access Modes", lambda one, _: modes_text(look(one, "spec", "accessModes"))),
        Column("Reclaim Policy", text("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", phase),
        Column("Claim", _claim),
        Column("StorageClass", lambda volume, _: storage_class(volume)),
        Column("VolumeAttributesClass", optional("spec", "volumeAttributesClassName")),
        Column("Reason", text("status", "reason")),
        AGE,
        Column("VolumeMode", optional("spec", "volumeMode"), priority=1),
    ),
)
