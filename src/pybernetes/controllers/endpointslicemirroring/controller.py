# SPDX-License-Identifier: Apache-2.0
"""Writes the slices that mirror Endpoints; deletes those that have nothing to mirror any more."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.endpointslicemirroring.plan import (
    MANAGER,
    MAXIMUM,
    is_mirrored,
    plan_mirror,
)
from pybernetes.controllers.runtime.batches import is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from pybernetes.controllers.runtime.slices import Plan, apply_plan, follow_slices
from pybernetes.controllers.runtime.writes import Writes


class EndpointSliceMirroringController:
    """Keys are namespace/name of Endpoints, which are those of their service."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._services = context.informers.get(SERVICES)
        self._endpoints = context.informers.get(ENDPOINTS)
        self._slices = context.informers.get(ENDPOINT_SLICES)
        follow_slices(self._slices, MANAGER, context.queue.add)
        self._writes = Writes(context.env.clock, self._slices)
        for informer in (self._services, self._endpoints):
            informer.on_change(lambda old, new: context.queue.add(meta.key(new or old or {})))

    async def sync(self, key: str) -> None:
        endpoints, service = (
            one.find(*meta.split_key(key)) for one in (self._endpoints, self._services)
        )
        if not self._writes.seen(key):
            return
        slices = self._slices.by_index(MANAGER, key)
        plan = Plan(delete=slices)
        if endpoints is not None and is_mirrored(endpoints, service):
            plan, invalid, skipped = plan_mirror(endpoints, slices)
            self._tell(endpoints, invalid, skipped)
        try:
            await apply_plan(self._context.client, self._writes, key, plan)
        except ApiError as error:
            if not is_terminating_namespace(error):
                raise

    def _tell(self, endpoints: Object, invalid: int, skipped: int) -> None:
        event = self._context.recorder.event
        if invalid:
            text = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            event(endpoints, "Warning", "InvalidIPAddress", text)
        if skipped:
            text = f"A max of {MAXIMUM} addresses can be mirrored to EndpointSlices per Endpoints "
            text += f"subset. {skipped} addresses were skipped"
            event(endpoints, "Warning", "TooManyAddressesToMirror", text)
