# SPDX-License-Identifier: Apache-2.0
"""Resource quotas: what a namespace uses, counted again whenever it changes."""

from collections.abc import Iterator

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core import quota as rules
from pybernetes.client.informer import BY_NAMESPACE, Informer
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.discovery import discover

QUOTAS = GVR("", "v1", "resourcequotas")
_FULL = (rules.PODS, rules.SERVICES, rules.CLAIMS)
RESYNC = 300.0  # seconds (upstream's resource-quota-sync-period)


class ResourceQuotaController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(QUOTAS))
        self._watched: dict[GVR, Informer] = {}
        for gvr in dict.fromkeys((*_FULL, *rules.COUNTED.values())):
            self._watch(gvr)
        self._names = {f"{gvr.resource}.{gvr.group}".strip("."): gvr for gvr in self._watched}
        self._objects.on_change(self._quota_changed)

    def _watch(self, gvr: GVR) -> Informer:
        informers = self._context.informers
        found = informers.get(gvr) if gvr in _FULL else informers.get_metadata(gvr)
        self._watched[gvr] = found
        found.on_change(lambda old, new: self._object_changed(gvr, old, new))
        return found

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            return
        asked = None if old is None else old.get("spec")
        counted = (new.get("status") or {}).get("hard")
        if asked != new.get("spec") or counted != new["spec"].get("hard"):
            self._queue.add(meta.key(new))

    def _object_changed(self, gvr: GVR, old: Object | None, new: Object | None) -> None:
        """Creates were charged by admission; where less (or other) is used it has to be counted again."""
        if old is None or (new and rules.usage(gvr, old) == rules.usage(gvr, new)):
            return
        for quota in self._objects.by_index(BY_NAMESPACE, meta.namespace(old)):
            self._queue.add(meta.key(quota))

    async def _sync(self, key: str, quota: Object) -> None:
        await self._watch_named(quota)
        hard = (quota.get("spec") or {}).get("hard") or {}
        status = {"hard": hard, "used": rules.total(quota, self._counted(meta.namespace(quota)))}
        if status != (quota.get("status") or {}):
            await self._client.update_status(QUOTAS, quota, status)
        self._queue.add_after(key, RESYNC)

    def _counted(self, namespace: str) -> Iterator[tuple[GVR, Object]]:
        for gvr, informer in self._watched.items():
            for obj in informer.by_index(BY_NAMESPACE, namespace):
                yield gvr, obj

    async def _watch_named(self, quota: Object) -> None:
        """Watch what only this quota counts. Raises ApiError."""
        hard = (quota.get("spec") or {}).get("hard") or {}
        counted = {name.removeprefix("count/") for name in hard if name.startswith("count/")}
        missing = counted - self._names.keys()
        if not missing:
            return
        for served in (await discover(self._client)).resources:
            name = f"{served.gvr.resource}.{served.gvr.group}".strip(".")
            if name in missing:
                await self._watch(served.gvr).wait_synced()
                self._names[name] = served.gvr
