# SPDX-License-Identifier: Apache-2.0
"""Acts for claims and volumes: binds one to the other, and keeps their phases."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.persistentvolume import class_of
from pybernetes.client.informer import BY_NAMESPACE
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.pods import claims_of
from pybernetes.controllers.runtime.resources import CLAIMS, PODS, STORAGE_CLASSES, VOLUMES
from pybernetes.controllers.volumebinder import plan

_NO_CLASS = "no persistent volumes available for this claim and no storage class is set"


class VolumeBinder(Controller):
    """Keys are namespace/name of claims, and names of volumes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = context.informers.get(CLAIMS)
        self._volumes = context.informers.get(VOLUMES)
        self._classes = context.informers.get(STORAGE_CLASSES)
        self._pods = context.informers.get(PODS)
        self._follow(self._claims, plan.touched)
        self._follow(self._volumes, self._concerned)
        self._follow(self._classes, self._unbound)
        self._pods.on_change(self._pod_changed)

    def _unbound(self, _: Object) -> list[str]:
        """A volume is free, or a class has come, that claims may wait for."""
        claims = self._claims.items()
        return [meta.key(claim) for claim in claims if not claim["spec"].get("volumeName")]

    def _concerned(self, volume: Object) -> list[str]:
        reference = volume["spec"].get("claimRef")
        if not reference:
            return [meta.name(volume), *self._unbound(volume)]
        return [meta.name(volume), meta.make_key(reference["namespace"], reference["name"])]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            for name in claims_of(new):
                self._queue.add(meta.make_key(meta.namespace(new), name))

    async def sync(self, key: str) -> None:
        namespace, name = meta.split_key(key)
        if not namespace:
            volume = self._volumes.find("", name)
            if volume is not None:
                await self._sync_volume(volume)
            return
        claim = self._claims.find(namespace, name)
        if claim is not None and not meta.is_deleting(claim):
            await self._sync_claim(claim)

    async def _sync_volume(self, volume: Object) -> None:
        reference = volume["spec"].get("claimRef")
        claim = self._claims.find(reference["namespace"], reference["name"]) if reference else None
        phase, message = plan.volume_phase(volume, claim)
        status = volume.get("status") or {}
        if (status.get("phase"), status.get("message", "")) == (phase, message):
            return
        if phase == "Failed":
            self._event(volume, "Warning", "VolumeFailedDelete", message)
        new = {**status, "phase": phase, "message": message}
        await self._client.update_status(VOLUMES, volume, {k: v for k, v in new.items() if v})

    async def _sync_claim(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        if not name:
            await self._find_volume(claim)
            return
        volume = self._volumes.find("", name)
        completed = plan.COMPLETED in meta.annotations(claim)
        if volume is None:
            if completed:
                await self._lost(claim, "Bound claim has lost its PersistentVolume")
            return
        if not volume["spec"].get("claimRef") or plan.is_for(volume, claim):
            await self._bind(claim, volume)
        elif completed:
            await self._lost(claim, "Bound claim has lost reference to PersistentVolume")
        else:
            text = f'volume "{name}" already bound to a different claim.'
            self._event(claim, "Warning", "FailedBinding", text)

    async def _find_volume(self, claim: Object) -> None:
        storage_class = self._classes.find("", class_of(claim))
        volume = plan.best_match(claim, self._volumes.items())
        pods = self._pods.by_index(BY_NAMESPACE, meta.namespace(claim))
        made_for = volume is not None and plan.is_for(volume, claim)
        if not made_for and plan.waits_for_consumer(claim, storage_class, pods):
            text = "waiting for first consumer to be created before binding"
            self._event(claim, "Normal", "WaitForFirstConsumer", text)
        elif volume is not None:
            await self._bind(claim, volume)
        else:
            await self._ask_for_volume(claim, storage_class)

    async def _ask_for_volume(self, claim: Object, storage_class: Object | None) -> None:
        """No volume fits: say so, and whose turn it is."""
        event, name = self._event, class_of(claim)
        provisioner = (storage_class or {}).get("provisioner") or ""
        if not name:
            event(claim, "Normal", "FailedBinding", _NO_CLASS)
        elif storage_class is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            event(claim, "Warning", "ProvisioningFailed", text)
        elif provisioner == "kubernetes.io/no-provisioner":
            text = "no volume plugin matched name: kubernetes.io/no-provisioner"
            event(claim, "Warning", "ProvisioningFailed", text)
        else:
            text = f"Waiting for a volume to be created by the external provisioner '{provisioner}'"
            event(claim, "Normal", "ExternalProvisioning", text)
            notes = meta.annotations(claim)
            if notes.get(plan.PROVISIONER) != provisioner:
                notes = {**notes, plan.PROVISIONER: provisioner}
                metadata = claim["metadata"] | {"annotations": notes}
                await self._client.update(CLAIMS, claim | {"metadata": metadata})

    async def _bind(self, claim: Object, volume: Object) -> None:
        """Volume first, then claim: the volume's claimRef is what decides. Raises ApiError."""
        if (volume["spec"].get("claimRef") or {}).get("uid") != meta.uid(claim):
            volume = await self._client.update(VOLUMES, plan.reserve(volume, claim))
        if (volume.get("status") or {}).get("phase") != "Bound":
            status = {**(volume.get("status") or {}), "phase": "Bound"}
            volume = await self._client.update_status(VOLUMES, volume, status)
        if plan.COMPLETED not in meta.annotations(claim) or not claim["spec"].get("volumeName"):
            claim = await self._client.update(CLAIMS, plan.take(claim, volume))
        status = plan.bound_status(claim, volume)
        if status != (claim.get("status") or {}):
            await self._client.update_status(CLAIMS, claim, status)

    async def _lost(self, claim: Object, why: str) -> None:
        status = claim.get("status") or {}
        if status.get("phase") != "Lost":
            self._event(claim, "Warning", "ClaimLost", f"{why}. Data on the volume is lost!")
            await self._client.update_status(CLAIMS, claim, {**status, "phase": "Lost"})
