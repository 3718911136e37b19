# SPDX-License-Identifier: Apache-2.0
"""PersistentVolume (storage) and PersistentVolumeClaim (a request for it, which a volume satisfies)."""

import datetime

from pybernetes.apimachinery import meta, quantity
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional, text
from pybernetes.apis.core.nodeaffinity import validate_node_selector
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_subdomain
from pybernetes.apis.validation.part import IMMUTABLE, Part, creating, same

_VOLUME_MODES = ["Block", "Filesystem"]
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
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


def default_claim(claim: Object) -> None:
    """Also the claims that StatefulSets keep as templates."""
    fill(claim.setdefault("spec", {}), {"volumeMode": "Filesystem"})
    fill(claim.setdefault("status", {}), {"phase": "Pending"})


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}


def _access_modes(spec: Part) -> None:
    modes = spec.get("accessModes") or []
    for mode in modes:
        if mode not in _SHORT:
            spec.unsupported("accessModes", mode, [*_SHORT])
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        spec.forbidden("accessModes", "may not use ReadWriteOncePod with other access modes")


def validate_claim_spec(spec: Part) -> None:
    spec.need("accessModes", detail="at least 1 access mode is required")
    validate_label_selector(spec, "selector")
    _access_modes(spec)
    size = look(spec.obj, "resources", "requests", "storage")
    if size is None:
        spec.required("resources[storage]")
    elif quantity.parse(size).nano <= 0:
        spec.invalid("resources[storage]", size, "must be greater than zero")
    spec.rule("storageClassName", dns1123_subdomain)
    spec.rule("volumeAttributesClassName", dns1123_subdomain)
    spec.choice("volumeMode", _VOLUME_MODES)
    if spec.get("dataSource") is not None:
        source = spec.child("dataSource")
        source.need("name", "kind")
        if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
            text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            source.invalid("kind", source.get("kind"), text)


def _claim(claim: Part) -> None:
    validate_claim_spec(claim.child("spec"))


def _claim_update(new: Object, old: Object) -> Errors:
    part = Part(new)
    _claim(part)
    spec, was = dict(new["spec"]), dict(old["spec"])
    if not was.get("volumeName"):
        was["volumeName"] = spec.get("volumeName")
    if look(old, "status", "phase") == "Bound":
        size, before = (look(one, "resources", "requests") or {} for one in (spec, was))
        amount, least = (quantity.parse(one.get("storage") or "0") for one in (size, before))
        if "storage" in size and amount < least:
            text = "field can not be less than status.capacity"
            part.forbidden("spec.resources.requests.storage", text)
        spec["resources"] = {**(spec.get("resources") or {}), "requests": before}
        spec.pop("volumeAttributesClassName", None)
        was.pop("volumeAttributesClassName", None)
    if not was.get("storageClassName"):
        was["storageClassName"] = spec.get("storageClassName")  # defaulted after the fact
    changed = sorted(key for key in {*spec, *was} if not same(spec.get(key), was.get(key)))
    if changed:
        listed = ", ".join(f"spec.{field}" for field in changed)
        part.forbidden("spec", f"{_FROZEN}\nchanged: {listed}")
    return part.errors


def _modes_text(modes: list[str] | None) -> str:
    """Access modes as "RWO,ROX", in upstream's order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def _phase(obj: Object, _: datetime.datetime) -> str:
    return "Terminating" if meta.is_deleting(obj) else look(obj, "status", "phase") or ""


def _storage_class(obj: Object, _: datetime.datetime) -> str:
    """The class of a claim or a volume; the old annotation wins."""
    old = meta.annotations(obj).get(_CLASS_ANNOTATION)
    return old if old is not None else look(obj, "spec", "storageClassName") or ""


def _capacity(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return (look(claim, "status", "capacity", "storage") or "0") if bound else ""


def _modes(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return _modes_text(look(claim, "status", "accessModes")) if bound else ""


_CLASS = Column("StorageClass", _storage_class)
_ATTRIBUTES = Column("VolumeAttributesClass", optional("spec", "volumeAttributesClassName"))
_MODE = Column("VolumeMode", optional("spec", "volumeMode"), priority=1)
PERSISTENT_VOLUME_CLAIM = Kind(
    default=default_claim,
    prepare_create=_prepare_create,
    validate_create=creating(_claim),
    validate_update=_claim_update,
    columns=(
        NAME,
        Column("Status", _phase),
        Column("Volume", text("spec", "volumeName")),
        Column("Capacity", _capacity),
        Column("Access Modes", _modes),
        _CLASS,
        _ATTRIBUTES,
        AGE,
        _MODE,
    ),
)

_POLICIES = ["Delete", "Recycle", "Retain"]
_NO_SOURCE = (
    *("capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"),
    *("mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName"),
)


def _sources(spec: Object) -> list[str]:
    """Which fields of a volume's spec say where the storage is: one in a good volume."""
    return [name for name in spec if name not in _NO_SOURCE and spec[name] is not None]


def _default_volume(volume: Object) -> None:
    fill(volume.setdefault("status", {}), {"phase": "Pending"})
    spec: Object = volume.setdefault("spec", {})
    fill(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    if spec.get("hostPath") is not None:
        fill_missing(spec["hostPath"], {"type": ""})


def _volume(volume: Part) -> None:
    spec = volume.child("spec")
    spec.need("accessModes")
    _access_modes(spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        spec.required("capacity")
    elif list(capacity) != ["storage"]:
        spec.unsupported("capacity", capacity, ["storage"])
    for name, amount in capacity.items():
        if quantity.parse(amount).nano <= 0:
            spec.invalid(f"capacity[{name}]", amount, "must be greater than zero")
    spec.one_of("persistentVolumeReclaimPolicy", _POLICIES)
    if spec.get("nodeAffinity") is not None:
        affinity = spec.child("nodeAffinity")
        if affinity.get("required") is None:
            affinity.required("required", "must specify required node constraints")
        else:
            validate_node_selector(affinity.child("required"))
    _source(spec)
    spec.rule("storageClassName", dns1123_subdomain)
    spec.choice("volumeMode", _VOLUME_MODES)


def _source(spec: Part) -> None:
    used = _sources(spec.obj)
    if not used:
        spec.required("", "must specify a volume type")
    for name in used[1:]:
        spec.forbidden(name, "may not specify more than 1 volume type")
    for name in ("hostPath", "local"):
        if spec.get(name) is not None:
            spec.child(name).need("path")
    if spec.get("local") is not None and spec.get("nodeAffinity") is None:
        spec.required("nodeAffinity", "Local volume requires node affinity")


def _volume_update(new: Object, old: Object) -> Errors:
    part = Part(new)
    _volume(part)
    spec, was = part.child("spec"), old["spec"]
    for name in _sources(was):
        if not same(spec.get(name), was[name]):
            text = "spec.persistentvolumesource is immutable after creation"
            spec.forbidden("persistentvolumesource", text)
    if spec.get("volumeMode") != was.get("volumeMode"):
        spec.invalid("volumeMode", spec.get("volumeMode"), IMMUTABLE)
    if was.get("nodeAffinity") is not None and spec.get("nodeAffinity") != was["nodeAffinity"]:
        spec.invalid("nodeAffinity", spec.get("nodeAffinity"), IMMUTABLE)
    return part.errors


def _claim_of(volume: Object, _: datetime.datetime) -> str:
    claim = look(volume, "spec", "claimRef")
    return f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else ""


PERSISTENT_VOLUME = Kind(
    default=_default_volume,
    prepare_create=_prepare_create,
    validate_create=creating(_volume),
    validate_update=_volume_update,
    columns=(
        NAME,
        Column("Capacity", text("spec", "capacity", "storage", empty="0")),
        Column("Access Modes", lambda one, _: _modes_text(look(one, "spec", "accessModes"))),
        Column("Reclaim Policy", text("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", _phase),
        Column("Claim", _claim_of),
        _CLASS,
        _ATTRIBUTES,
        Column("Reason", text("status", "reason")),
        AGE,
        _MODE,
    ),
)
