# SPDX-License-Identifier: Apache-2.0
"""endpointslicemirroring-controller: hand-made Endpoints of services without selector, as slices."""

import functools
import ipaddress
from collections.abc import Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime import slices
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from pybernetes.controllers.runtime.services import endpoint_port
from pybernetes.controllers.runtime.writes import Writes

MANAGER = "endpointslicemirroring-controller.k8s.io"
MAXIMUM = 1000  # mirrored addresses of a subset
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_KEPT = ("targetRef", "nodeName", "hostname")
_NOT_MIRRORED = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)


def is_mirrored(endpoints: Object | None, service: Object | None) -> bool:
    """Whether slices should mirror `endpoints`."""
    if endpoints is None or service is None or service["spec"].get("selector") is not None:
        return False
    return meta.labels(endpoints).get(SKIP) != "true" and _LEADER not in meta.annotations(endpoints)


def plan_mirror(endpoints: Object, current: Sequence[Object]) -> tuple[slices.Plan, int, int]:
    """The changes; how many addresses are no IP addresses; how many were too many."""
    wanted, invalid, skipped = _wanted(endpoints)
    plan = slices.plan_changes(wanted, current, MAXIMUM, functools.partial(_metadata, endpoints))
    return plan, invalid, skipped


def _wanted(endpoints: Object) -> tuple[dict[slices.Group, list[Object]], int, int]:
    wanted: dict[slices.Group, dict[str, Object]] = {}
    invalid = skipped = 0
    for subset in endpoints.get("subsets") or ():
        ports = [endpoint_port(one, one["port"]) for one in subset.get("ports") or ()]
        room = MAXIMUM
        for key, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(key) or ():
                try:
                    ip = ipaddress.ip_address(address["ip"])
                except ValueError:
                    invalid += 1
                    continue
                if not room:
                    skipped += 1
                    continue
                room -= 1
                group = (f"IPv{ip.version}", orjson.dumps(ports))
                wanted.setdefault(group, {}).setdefault(str(ip), _endpoint(address, str(ip), ready))
    return {key: list(found.values()) for key, found in wanted.items()}, invalid, skipped


def _endpoint(address: Object, ip: str, ready: bool) -> Object:
    kept: Object = {key: address[key] for key in _KEPT if key in address}
    return {"addresses": [ip], "conditions": {"ready": ready}, **kept}


def _metadata(endpoints: Object, old: Object | None) -> Object:
    labels = {
        **meta.labels(endpoints),
        slices.SERVICE_NAME: meta.name(endpoints),
        slices.MANAGED_BY: MANAGER,
    }
    notes = {key: x for key, x in meta.annotations(endpoints).items() if key not in _NOT_MIRRORED}
    made = meta.new_metadata(
        namespace=meta.namespace(endpoints),
        generate_name=f"{meta.name(endpoints)}-",
        labels=labels,
        annotations=notes,
        owners=[meta.controller_reference(endpoints)],
    )
    if old is None:
        return made
    return {k: v for k, v in old["metadata"].items() if k != "annotations"} | made


class EndpointSliceMirroringController(Controller):
    """Keys are namespace/name of Endpoints, which are those of their service."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = self._follow(context.informers.get(SERVICES))
        self._endpoints = self._follow(context.informers.get(ENDPOINTS))
        self._slices = context.informers.get(ENDPOINT_SLICES)
        self._slices.add_index(MANAGER, slices.services_of(MANAGER))
        self._follow(self._slices, slices.services_of(MANAGER))
        self._writes = Writes(context.env.clock, self._slices, context.queue.add)

    async def sync(self, key: str) -> None:
        endpoints, service = (
            one.find(*meta.split_key(key)) for one in (self._endpoints, self._services)
        )
        if not self._writes.seen(key):
            return
        current = self._slices.by_index(MANAGER, key)
        plan = slices.Plan(delete=current)
        if endpoints is not None and is_mirrored(endpoints, service):
            plan, invalid, skipped = plan_mirror(endpoints, current)
            self._tell(endpoints, invalid, skipped)
        with forgiving("NamespaceTerminating"):
            await slices.apply_plan(self._client, self._writes, key, plan)

    def _tell(self, endpoints: Object, invalid: int, skipped: int) -> None:
        event = self._event
        if invalid:
            text = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            event(endpoints, "Warning", "InvalidIPAddress", text)
        if skipped:
            text = f"A max of {MAXIMUM} addresses can be mirrored to EndpointSlices per Endpoints "
            text += f"subset. {skipped} addresses were skipped"
            event(endpoints, "Warning", "TooManyAddressesToMirror", text)
