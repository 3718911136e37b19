# SPDX-License-Identifier: Apache-2.0
"""Writes Endpoints; deletes those of services that are gone."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.endpoints.plan import MANAGED_BY, plan_endpoints
from pybernetes.controllers.runtime.batches import delete_if_there, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import ENDPOINTS, PODS, SERVICES
from pybernetes.controllers.runtime.services import follow, has_selector, pods_of


class EndpointsController:
    """Keys are namespace/name of services."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._services = context.informers.get(SERVICES)
        self._pods = context.informers.get(PODS)
        self._endpoints = context.informers.get(ENDPOINTS)
        follow(self._services, self._pods, context.queue.add)
        self._endpoints.on_change(self._endpoints_changed)

    def _endpoints_changed(self, old: Object | None, new: Object | None) -> None:
        """Changed or left over from a service that was deleted while nobody looked."""
        obj = new or old or {}
        if MANAGED_BY in meta.labels(obj):
            self._context.queue.add(meta.key(obj))

    async def sync(self, key: str) -> None:
        namespace, name = meta.split_key(key)
        service = self._services.find(namespace, name)
        current = self._endpoints.find(namespace, name)
        if service is None:
            if current is not None:
                await delete_if_there(self._client, ENDPOINTS, current)
            return
        if not has_selector(service):
            return
        planned = plan_endpoints(service, pods_of(service, self._pods), current)
        if planned is not None:
            await self._write(service, planned, current)

    async def _write(self, service: Object, planned: Object, current: Object | None) -> None:
        namespace, name = meta.namespace(planned), meta.name(planned)
        recorder = self._context.recorder
        try:
            if current is None:
                await self._client.create(ENDPOINTS, planned, namespace)
            else:
                await self._client.update(ENDPOINTS, planned, namespace)
        except ApiError as error:
            if is_terminating_namespace(error) or error.reason == "AlreadyExists":
                return
            if current is None:
                text = f"Failed to create endpoint for service {namespace}/{name}: {error}"
                recorder.event(service, "Warning", "FailedToCreateEndpoint", text)
            elif error.code != 409:
                text = f"Failed to update endpoint {namespace}/{name}: {error}"
                recorder.event(planned, "Warning", "FailedToUpdateEndpoint", text)
            raise
