# SPDX-License-Identifier: Apache-2.0
"""Which volume a claim gets, and the phases of both. Pure. Source: upstream's pv controller.

Volumes are not provisioned here: a class with a provisioner waits for that provisioner's own
controller, as upstream's does.
"""

from collections.abc import Iterable, Sequence

from pybernetes.apimachinery import meta, quantity, selectors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.persistentvolume import class_of, requested
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.runtime.pods import claims_of

BOUND_BY_US = "pv.kubernetes.io/bound-by-controller"
COMPLETED = "pv.kubernetes.io/bind-completed"
PROVISIONED = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"

_MODE = "Filesystem"


def touched(claim: Object) -> list[str]:
    """Keys of a claim and its volume."""
    return [meta.key(claim), *filter(None, [claim["spec"].get("volumeName")])]


def is_for(volume: Object, claim: Object) -> bool:
    """True if the volume names this claim (and not an earlier one of its name)."""
    reference = volume["spec"].get("claimRef")
    if not reference:
        return False
    same = (reference.get("namespace"), reference.get("name"))
    if same != (meta.namespace(claim), meta.name(claim)):
        return False
    return reference.get("uid") in {None, "", meta.uid(claim)}


def best_match(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The smallest volume that satisfies the claim; one made for it comes first."""
    fitting = [volume for volume in volumes if _fits(claim, volume)]
    return min(fitting, key=lambda one: (not is_for(one, claim), _size(one).nano), default=None)


def _fits(claim: Object, volume: Object) -> bool:
    spec, wanted = volume["spec"], claim["spec"]
    suits = (
        not meta.is_deleting(volume)
        and (spec.get("volumeMode") or _MODE) == (wanted.get("volumeMode") or _MODE)
        and set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and _size(volume) >= requested(claim)
    )
    if spec.get("claimRef"):
        return suits and is_for(volume, claim)
    free = (volume.get("status") or {}).get("phase") in {"Available", "Pending", None}
    return suits and free and _is_chosen(claim, volume)


def _is_chosen(claim: Object, volume: Object) -> bool:
    """By class and, where the claim has one, by selector."""
    if "selector" in claim["spec"]:
        selector = selectors.from_label_selector(claim["spec"]["selector"])
        if not selector.matches(meta.labels(volume)):
            return False
    return class_of(volume) == class_of(claim)


def _size(volume: Object) -> quantity.Quantity:
    return quantity.parse((volume["spec"].get("capacity") or {}).get("storage") or "0")


def waits_for_consumer(claim: Object, storage_class: Object | None, pods: Sequence[Object]) -> bool:
    """True for a class that binds late, until a pod uses the claim."""
    if (storage_class or {}).get("volumeBindingMode") != "WaitForFirstConsumer":
        return False
    return not any(meta.name(claim) in claims_of(pod) for pod in pods if not is_finished(pod))


def reserve(volume: Object, claim: Object) -> Object:
    """The volume, bound to the claim."""
    changed = copy_object(volume)
    if not is_for(volume, claim):
        notes = {**meta.annotations(volume), BOUND_BY_US: "yes"}
        changed["metadata"]["annotations"] = notes
    changed["spec"]["claimRef"] = meta.object_reference(claim)
    return changed


def take(claim: Object, volume: Object) -> Object:
    """The claim, bound to the volume."""
    changed = copy_object(claim)
    notes = {**meta.annotations(claim), COMPLETED: "yes"}
    if not claim["spec"].get("volumeName"):
        notes[BOUND_BY_US] = "yes"
    changed["metadata"]["annotations"] = notes
    changed["spec"]["volumeName"] = meta.name(volume)
    return changed


def bound_status(claim: Object, volume: Object) -> Object:
    spec = volume["spec"]
    old = {k: v for k, v in (claim.get("status") or {}).items() if k != "phase"}
    capacity = (claim.get("status") or {}).get("capacity") or spec.get("capacity") or {}
    modes = spec.get("accessModes") or []
    return {**old, "phase": "Bound", "accessModes": modes, "capacity": capacity}


def volume_phase(volume: Object, claim: Object | None) -> tuple[str, str]:
    """(phase, message). `claim`: the one that claimRef names, if it exists."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        return "Available", ""
    if claim is None or meta.uid(claim) != reference["uid"]:
        return _released(volume)
    name, status = claim["spec"].get("volumeName"), volume.get("status") or {}
    if not name:  # binding is under way: its phase is what that says
        return status.get("phase", ""), status.get("message", "")
    return "Bound" if name == meta.name(volume) else "Available", ""


def _released(volume: Object) -> tuple[str, str]:
    """The claim is gone. What was provisioned from outside is its provisioner's to delete."""
    policy = volume["spec"].get("persistentVolumeReclaimPolicy") or "Retain"
    outside = "csi" in volume["spec"] or PROVISIONED in meta.annotations(volume)
    if policy == "Retain" or outside:
        return "Released", ""
    what = "deleter" if policy == "Delete" else "recycler"
    return "Failed", f"error getting {what} volume plugin for volume: not supported"
