# SPDX-License-Identifier: Apache-2.0
"""Empties terminating namespaces: pods, and once they are gone everything else; then finalizes."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.namespace.plan import Findings, plan_conditions
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.discovery import Served, discover
from pybernetes.controllers.runtime.resources import NAMESPACES, PODS

FINALIZER = "kubernetes"
_BACKGROUND: Object = {"propagationPolicy": "Background"}


class NamespaceController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(NAMESPACES))
        self._follow(self._objects)
        context.informers.get(PODS).on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Pods are what takes longest: look again as soon as one is gone."""
        if new is None:
            self._queue.add(meta.namespace(old or {}))

    async def _sync(self, key: str, namespace: Object) -> None:
        held = (namespace.get("spec") or {}).get("finalizers")
        if not held or not meta.is_deleting(namespace):
            return
        findings = await self._delete_content(key)
        namespace = await self._write_conditions(namespace, findings)
        if findings.errors or findings.discovery_error:
            detail = findings.discovery_error or findings.errors[0]
            raise ApiError(500, "InternalError", f"namespace {key} cannot be emptied: {detail}")
        if findings.remaining:
            self._queue.add_after(key, findings.wait / 2 + 1)
            return
        await self._finalize(namespace)

    async def _delete_content(self, namespace: str) -> Findings:
        findings = Findings()
        try:
            discovery = await discover(self._client)
        except (ApiError, ConnectionError) as error:
            findings.discovery_error = str(error)
            return findings
        if discovery.failed:
            failed = ", ".join(discovery.failed)
            findings.discovery_error = (
                f"Discovery failed for some groups, {len(discovery.failed)} failing: "
                f"unable to retrieve the complete list of server APIs: {failed}"
            )
        served = [one for one in discovery.resources if one.namespaced and "delete" in one.verbs]
        first = [one for one in served if one.gvr == PODS]
        for part in (first, [one for one in served if one.gvr != PODS]):
            for resource in part:
                await self._delete_all(resource, namespace, findings)
            if findings.remaining or findings.errors:
                break  # what pods still use (secrets, service accounts) goes after them
        return findings

    async def _delete_all(self, resource: Served, namespace: str, findings: Findings) -> None:
        gvr = resource.gvr
        try:
            together = "deletecollection" in resource.verbs
            if "list" not in resource.verbs:
                if together:
                    await self._client.delete_collection(gvr, namespace, options=_BACKGROUND)
                return
            found = await self._client.list(gvr, namespace)
            if not found.items:
                return
            if together:
                await self._client.delete_collection(gvr, namespace, options=_BACKGROUND)
            else:
                for item in found.items:
                    await delete_if_there(self._client, gvr, item, **_BACKGROUND)
            left = await self._client.list(gvr, namespace)
            findings.count(gvr, left.items)
        except (ApiError, ConnectionError) as error:
            if not (isinstance(error, ApiError) and error.code in (404, 405)):
                findings.errors.append(str(error))

    async def _write_conditions(self, namespace: Object, findings: Findings) -> Object:
        planned = plan_conditions(namespace, findings, self._now())
        status = namespace.get("status") or {}
        if status.get("conditions") == planned:
            return namespace
        changed = {**status, "phase": "Terminating", "conditions": planned}
        with forgiving(409):
            return await self._client.update_status(NAMESPACES, namespace, changed)
        return await self._client.get(NAMESPACES, meta.name(namespace))

    async def _finalize(self, namespace: Object) -> None:
        spec = namespace["spec"]
        left = [name for name in spec.get("finalizers") or () if name != FINALIZER]
        changed = namespace | {"spec": {**spec, "finalizers": left}}
        with forgiving(404):
            await self._client.update(NAMESPACES, changed, subresource="finalize")
