# SPDX-License-Identifier: Apache-2.0
"""Whether a claim or a volume is in use. Pure. Source: upstream's pvc- and pv-protection."""

from collections.abc import Iterable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.controllers.runtime.pods import claims_of


def claim_in_use(claim: Object, pods: Iterable[Object]) -> bool:
    """A pod that is not over, or not bound to a node and going, uses it."""
    return any(
        meta.name(claim) in claims_of(pod)
        for pod in pods
        if not is_finished(pod) and (pod["spec"].get("nodeName") or not meta.is_deleting(pod))
    )


def volume_in_use(volume: Object) -> bool:
    return (volume.get("status") or {}).get("phase") == "Bound"


def classes_of(obj: Object) -> set[str]:
    """VolumeAttributesClasses that a claim or a volume has or is to have."""
    status = obj.get("status") or {}
    names = {obj["spec"].get("volumeAttributesClassName")}
    names.add(status.get("currentVolumeAttributesClassName"))
    names.add((status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"))
    return {str(name) for name in names if name}
