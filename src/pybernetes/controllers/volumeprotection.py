# SPDX-License-Identifier: Apache-2.0
"""Volumes, claims and attribute classes in use are kept by a finalizer until nobody uses them."""

from collections.abc import Callable, Mapping
from functools import partial

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.pods import claims_of
from pybernetes.controllers.runtime.resources import ATTRIBUTES_CLASSES, CLAIMS, PODS, VOLUMES


def claims_used(pod: Object) -> list[str]:
    """Keys of the claims in use by a pod: not one that is over, or going without ever having had a node."""
    over = is_finished(pod) or (meta.is_deleting(pod) and not pod["spec"].get("nodeName"))
    return [] if over else [meta.make_key(meta.namespace(pod), name) for name in claims_of(pod)]


def volume_used(volume: Object) -> list[str]:
    """A volume is in use while it is bound."""
    return [meta.name(volume)] if (volume.get("status") or {}).get("phase") == "Bound" else []


def classes_used(obj: Object) -> list[str]:
    """VolumeAttributesClasses that a claim or a volume has or is to have."""
    status = obj.get("status") or {}
    names = (
        obj["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return [name for name in dict.fromkeys(names) if name]


class ProtectionController(Keyed):
    """`users`: by resource, the keys of what an object uses."""

    def __init__(
        self,
        context: Context,
        gvr: GVR,
        finalizer: str,
        users: Mapping[GVR, Callable[[Object], list[str]]],
    ) -> None:
        super().__init__(context, context.informers.get(gvr))
        self._gvr, self._finalizer = gvr, finalizer
        self._follow(self._objects)
        self._users = [context.informers.get(one) for one in users]
        for informer, used in zip(self._users, users.values(), strict=True):
            informer.add_index(finalizer, used)
            self._follow(informer, used)

    async def _sync(self, key: str, obj: Object) -> None:
        has, going = meta.has_finalizer(obj, self._finalizer), meta.is_deleting(obj)
        in_use = any(user.by_index(self._finalizer, key) for user in self._users)
        if going == has and not (going and in_use):
            names = [name for name in meta.finalizers(obj) if name != self._finalizer]
            if not going:
                names.append(self._finalizer)
            changed = obj | {"metadata": obj["metadata"] | {"finalizers": names}}
            await self._client.update(self._gvr, changed, meta.namespace(obj))


build_claims = partial(
    ProtectionController,
    gvr=CLAIMS,
    finalizer="kubernetes.io/pvc-protection",
    users={PODS: claims_used},
)
build_volumes = partial(
    ProtectionController,
    gvr=VOLUMES,
    finalizer="kubernetes.io/pv-protection",
    users={VOLUMES: volume_used},
)
build_classes = partial(
    ProtectionController,
    gvr=ATTRIBUTES_CLASSES,
    finalizer="kubernetes.io/vac-protection",
    users={CLAIMS: classes_used, VOLUMES: classes_used},
)
