# SPDX-License-Identifier: Apache-2.0
"""Writes EndpointSlices as planned."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.client.informer import BY_NAMESPACE
from pybernetes.controllers.endpointslice.plan import MANAGER, plan_slices
from pybernetes.controllers.runtime import resources
from pybernetes.controllers.runtime.batches import is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.services import follow, has_selector, pods_of
from pybernetes.controllers.runtime.slices import apply_plan, services_of
from pybernetes.controllers.runtime.writes import Writes


class EndpointSliceController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(resources.SERVICES))
        self._pods = context.informers.get(resources.PODS)
        self._nodes = context.informers.get(resources.NODES)
        self._slices = context.informers.get(resources.ENDPOINT_SLICES)
        self._slices.add_index(MANAGER, services_of(MANAGER))
        self._writes = Writes(context.env.clock, self._slices, context.queue.add)
        self._follow(self._slices, services_of(MANAGER))
        resources.index_by_node(self._pods)
        follow(self._objects, self._pods, context.queue.add)
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Endpoints name their node's zone, and wait for a node that is not known yet."""
        zone = "topology.kubernetes.io/zone"
        if new is None or (old and meta.labels(old).get(zone) == meta.labels(new).get(zone)):
            return
        for pod in self._pods.by_index(resources.BY_NODE, meta.name(new)):
            for service in self._objects.by_index(BY_NAMESPACE, meta.namespace(pod)):
                if has_selector(service):
                    self._queue.add(meta.key(service))

    async def _gone(self, key: str) -> None:
        self._writes.forget(key)

    async def _sync(self, key: str, service: Object) -> None:
        if not has_selector(service) or meta.is_deleting(service):
            await self._gone(key)
            return
        if not self._writes.seen(key):
            return
        current = [one for one in self._slices.by_index(MANAGER, key) if not meta.is_deleting(one)]
        pods = pods_of(service, self._pods)
        plan = plan_slices(service, pods, current, lambda name: self._nodes.find("", name))
        try:
            await apply_plan(self._client, self._writes, key, plan)
        except ApiError as error:
            if is_terminating_namespace(error):
                return
            if error.code != 409:
                text = f"Error updating Endpoint Slices for Service {key}: {error}"
                self._event(service, "Warning", "FailedToUpdateEndpointSlices", text)
            raise
