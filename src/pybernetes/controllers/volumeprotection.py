# SPDX-License-Identifier: Apache-2.0
"""Volumes and claims in use are kept by a finalizer until nobody uses them."""

from collections.abc import Callable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.client.informer import BY_NAMESPACE
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.pods import claims_of
from pybernetes.controllers.runtime.resources import ATTRIBUTES_CLASSES, CLAIMS, PODS, VOLUMES


def volume_in_use(volume: Object) -> bool:
    return (volume.get("status") or {}).get("phase") == "Bound"


def classes_of(obj: Object) -> set[str]:
    """VolumeAttributesClasses that a claim or a volume has or is to have."""
    status = obj.get("status") or {}
    names = {obj["spec"].get("volumeAttributesClassName")}
    names.add(status.get("currentVolumeAttributesClassName"))
    names.add((status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"))
    return {str(name) for name in names if name}


class VolumeProtectionController(Controller):
    """Keys are namespace/name of claims, or names of volumes; `in_use` decides for one of them."""

    def __init__(
        self, context: Context, gvr: GVR, finalizer: str, in_use: Callable[[Object], bool]
    ) -> None:
        super().__init__(context)
        self._gvr, self._finalizer, self._in_use = gvr, finalizer, in_use
        self._objects = context.informers.get(gvr)
        self._follow(self._objects)

    async def sync(self, key: str) -> None:
        obj = self._objects.find(*meta.split_key(key))
        if obj is None:
            return
        has, going = meta.has_finalizer(obj, self._finalizer), meta.is_deleting(obj)
        if going == has and not (going and self._in_use(obj)):
            names = [name for name in meta.finalizers(obj) if name != self._finalizer]
            if not going:
                names.append(self._finalizer)
            changed = obj | {"metadata": obj["metadata"] | {"finalizers": names}}
            await self._client.update(self._gvr, changed, meta.namespace(obj))


def build_claims(context: Context) -> VolumeProtectionController:
    pods = context.informers.get(PODS)

    def pod_changed(old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        for name in claims_of(pod):
            context.queue.add(meta.make_key(meta.namespace(pod), name))

    def in_use(claim: Object) -> bool:
        """A pod that is not over, or not bound to a node and going, uses it."""
        return any(
            meta.name(claim) in claims_of(pod)
            for pod in pods.by_index(BY_NAMESPACE, meta.namespace(claim))
            if not is_finished(pod) and (pod["spec"].get("nodeName") or not meta.is_deleting(pod))
        )

    controller = VolumeProtectionController(context, CLAIMS, "kubernetes.io/pvc-protection", in_use)
    pods.on_change(pod_changed)
    return controller


def build_volumes(context: Context) -> VolumeProtectionController:
    return VolumeProtectionController(
        context, VOLUMES, "kubernetes.io/pv-protection", volume_in_use
    )


def build_classes(context: Context) -> VolumeProtectionController:
    users = [context.informers.get(gvr) for gvr in (CLAIMS, VOLUMES)]

    def user_changed(old: Object | None, new: Object | None) -> None:
        for obj in filter(None, (old, new)):
            for name in classes_of(obj):
                context.queue.add(name)

    def in_use(one: Object) -> bool:
        return any(meta.name(one) in classes_of(obj) for user in users for obj in user.items())

    finalizer = "kubernetes.io/vac-protection"
    controller = VolumeProtectionController(context, ATTRIBUTES_CLASSES, finalizer, in_use)
    for user in users:
        user.on_change(user_changed)
    return controller
