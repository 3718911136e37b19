# SPDX-License-Identifier: Apache-2.0
"""PersistentVolume (storage) and PersistentVolumeClaim (a request for it, which a volume satisfies)."""

import datetime

from pybernetes.apimachinery import meta, quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.part import IMMUTABLE, Part, changed, same

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


def begin_pending(obj: Object) -> None:
    obj["status"] = {"phase": "Pending"}


def _access_modes(spec: Part) -> None:
    modes = spec.get("accessModes") or []
    for mode in modes:
        if mode not in _SHORT:
            spec.unsupported("accessModes", mode, [*_SHORT])
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        spec.forbidden("accessModes", "may not use ReadWriteOncePod with other access modes")


def validate_claim_spec(spec: Part) -> None:
    _access_modes(spec)
    size = look(spec.obj, "resources", "requests", "storage")
    if size is None:
        spec.required("resources[storage]")
    elif quantity.parse(size).nano <= 0:
        spec.invalid("resources[storage]", size, "must be greater than zero")
    if spec.get("dataSource") is not None:
        source = spec.child("dataSource")
        if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
            text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            source.invalid("kind", source.get("kind"), text)


def validate_claim_update(part: Part, old: Object) -> None:
    spec, was = dict(part.get("spec")), dict(old["spec"])
    if not was.get("volumeName"):
        was["volumeName"] = spec.get("volumeName")
    if look(old, "status", "phase") == "Bound":
        if "storage" in requests(part.obj) and requested(part.obj) < requested(old):
            text = "field can not be less than status.capacity"
            part.forbidden("spec.resources.requests.storage", text)
        spec["resources"] = {**(spec.get("resources") or {}), "requests": requests(old)}
        spec.pop("volumeAttributesClassName", None)
        was.pop("volumeAttributesClassName", None)
    if not was.get("storageClassName"):
        was["storageClassName"] = spec.get("storageClassName")  # defaulted after the fact
    if listed := changed(spec, was):
        part.forbidden("spec", f"{_FROZEN}\nchanged: {listed}")


def _modes_text(modes: list[str] | None) -> str:
    """Access modes as "RWO,ROX", in upstream's order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def phase(obj: Object, _: datetime.datetime) -> str:
    return "Terminating" if meta.is_deleting(obj) else look(obj, "status", "phase") or ""


def class_of(obj: Object, _: datetime.datetime | None = None) -> str:
    """The storage class of a claim or a volume; the old annotation wins."""
    old = meta.annotations(obj).get(CLASS_ANNOTATION)
    return old if old is not None else look(obj, "spec", "storageClassName") or ""


def requests(claim: Object) -> dict[str, str]:
    """What a claim asks for, by resource."""
    return look(claim, "spec", "resources", "requests") or {}


def requested(claim: Object) -> quantity.Quantity:
    """How much storage a claim asks for."""
    return quantity.parse(requests(claim).get("storage") or "0")


def capacity(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return (look(claim, "status", "capacity", "storage") or "0") if bound else ""


def modes(claim: Object, _: datetime.datetime) -> str:
    bound = look(claim, "spec", "volumeName")
    return _modes_text(look(claim, "status", "accessModes")) if bound else ""


def volume_modes(volume: Object, _: datetime.datetime) -> str:
    return _modes_text(look(volume, "spec", "accessModes"))


_NO_SOURCE = (  # every other field says where the storage is
    *("capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"),
    *("mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName"),
)


def validate_volume(spec: Part) -> None:
    _access_modes(spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        spec.required("capacity")
    elif list(capacity) != ["storage"]:
        spec.unsupported("capacity", capacity, ["storage"])
    for name, amount in capacity.items():
        if quantity.parse(amount).nano <= 0:
            spec.invalid(f"capacity[{name}]", amount, "must be greater than zero")


def validate_volume_update(part: Part, old: Object) -> None:
    spec, was = part.child("spec"), old["spec"]
    for name in (name for name in was if name not in _NO_SOURCE and was[name] is not None):
        if not same(spec.get(name), was[name]):
            text = "spec.persistentvolumesource is immutable after creation"
            spec.forbidden("persistentvolumesource", text)
    if was.get("nodeAffinity") is not None and spec.get("nodeAffinity") != was["nodeAffinity"]:
        spec.invalid("nodeAffinity", spec.get("nodeAffinity"), IMMUTABLE)
