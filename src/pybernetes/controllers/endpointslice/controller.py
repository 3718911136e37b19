# SPDX-License-Identifier: Apache-2.0
"""Writes EndpointSlices as planned."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.endpointslice.plan import (
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    Plan,
    plan_slices,
)
from pybernetes.controllers.runtime.batches import delete_if_there, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import (
    BY_NODE,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
    index_by_node,
)
from pybernetes.controllers.runtime.services import follow, has_selector, pods_of
from pybernetes.controllers.runtime.writes import Writes

BY_SERVICE = "service"


class EndpointSliceController:
    """Keys are namespace/name of services."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._services = context.informers.get(SERVICES)
        self._pods = context.informers.get(PODS)
        self._nodes = context.informers.get(NODES)
        self._slices = context.informers.get(ENDPOINT_SLICES)
        self._writes = Writes(context.env.clock, self._slices)
        self._slices.add_index(BY_SERVICE, _service_keys)
        index_by_node(self._pods)
        follow(self._services, self._pods, context.queue.add)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            for key in _service_keys(obj) if obj else ():
                self._context.queue.add(key)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Endpoints name their node's zone, and wait for a node that is not known yet."""
        zone = "topology.kubernetes.io/zone"
        if new is None or (old and meta.labels(old).get(zone) == meta.labels(new).get(zone)):
            return
        for pod in self._pods.by_index(BY_NODE, meta.name(new)):
            for service in self._services.by_index("namespace", meta.namespace(pod)):
                if has_selector(service):
                    self._context.queue.add(meta.key(service))

    async def sync(self, key: str) -> None:
        service = self._services.find(*meta.split_key(key))
        if service is None or not has_selector(service) or meta.is_deleting(service):
            self._writes.forget(key)
            return
        if not self._writes.seen(key):
            return
        current = [
            one for one in self._slices.by_index(BY_SERVICE, key) if not meta.is_deleting(one)
        ]
        pods = pods_of(service, self._pods)
        plan = plan_slices(service, pods, current, lambda name: self._nodes.find("", name))
        try:
            await self._apply(key, plan)
        except ApiError as error:
            if is_terminating_namespace(error):
                return
            if error.code != 409:
                text = f"Error updating Endpoint Slices for Service {key}: {error}"
                self._context.recorder.event(
                    service, "Warning", "FailedToUpdateEndpointSlices", text
                )
            raise

    async def _apply(self, key: str, plan: Plan) -> None:
        namespace = meta.split_key(key)[0]
        for one in plan.create:
            self._writes.wrote(key, await self._client.create(ENDPOINT_SLICES, one, namespace))
        for one in plan.update:
            self._writes.wrote(key, await self._client.update(ENDPOINT_SLICES, one, namespace))
        for one in plan.delete:
            await delete_if_there(self._client, ENDPOINT_SLICES, one)
            self._writes.deleted(key, one)


def _service_keys(one: Object) -> list[str]:
    labels = meta.labels(one)
    if labels.get(MANAGED_BY) != MANAGER:
        return []
    return [meta.make_key(meta.namespace(one), labels.get(SERVICE_NAME, ""))]
