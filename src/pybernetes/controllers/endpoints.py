# SPDX-License-Identifier: Apache-2.0
"""endpoints-controller: the Endpoints object of every service with a selector."""

from collections.abc import Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import belongs_in_endpoints, is_ready
from pybernetes.controllers.runtime import services
from pybernetes.controllers.runtime.batches import delete_if_there, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.resources import ENDPOINTS, PODS, SERVICES

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAXIMUM = 1000
_LISTS = ("addresses", "notReadyAddresses")  # room is for the ready ones first


def plan_subsets(service: Object, pods: Sequence[Object]) -> tuple[list[Object], bool]:
    """Subsets: one for each distinct set of ports, addresses by IP; and whether some were too many."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    groups: dict[bytes, Object] = {}
    for pod in pods:
        if not belongs_in_endpoints(pod, include_terminating=publish):
            continue
        ip, ports = services.address_of(pod, family), services.endpoint_ports(pod, service)
        if not ip or ports is None:
            continue
        group = groups.setdefault(
            orjson.dumps(ports), {**{kind: [] for kind in _LISTS}, "ports": ports}
        )
        kind = _LISTS[not (publish or is_ready(pod))]
        group[kind].append({"ip": ip, **services.place_of(pod, service)})
    subsets, room, cut = [groups[key] for key in sorted(groups)], MAXIMUM, False
    for kind in _LISTS:
        for subset in subsets:
            listed = sorted(subset[kind], key=lambda one: (one["ip"], one["targetRef"]["uid"]))
            subset[kind], cut = listed[:room], cut or len(listed) > room
            room -= len(subset[kind])
    kept = [{key: value for key, value in one.items() if value} for one in subsets]
    return [one for one in kept if any(kind in one for kind in _LISTS)], cut


def plan_endpoints(
    service: Object, pods: Sequence[Object], current: Object | None
) -> Object | None:
    """The Endpoints to write; None if `current` is right."""
    subsets, truncated = plan_subsets(service, pods)
    labels = {**meta.labels(service), MANAGED_BY: MANAGER}
    labels.pop(services.HEADLESS_LABEL, None)
    if services.is_headless(service):
        labels[services.HEADLESS_LABEL] = ""
    annotations = {**meta.annotations(current or {})}
    annotations.pop(OVER_CAPACITY, None)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    if current is not None:
        same = (current.get("subsets") or []) == subsets and meta.labels(current) == labels
        if same and meta.annotations(current) == annotations:
            return None
    metadata = {
        **(current or {}).get("metadata", {}),
        **meta.new_metadata(meta.name(service), meta.namespace(service)),
        "labels": labels,
        "annotations": annotations,
    }
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


class EndpointsController(Controller):
    """Keys are namespace/name of services."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = context.informers.get(SERVICES)
        self._pods = context.informers.get(PODS)
        self._endpoints = context.informers.get(ENDPOINTS)
        services.follow(self._services, self._pods, context.queue.add)
        # Changed, or left over from a service that was deleted while nobody looked.
        self._follow(
            self._endpoints, lambda one: [meta.key(one)] * (MANAGED_BY in meta.labels(one))
        )

    async def sync(self, key: str) -> None:
        namespace, name = meta.split_key(key)
        service = self._services.find(namespace, name)
        current = self._endpoints.find(namespace, name)
        if service is None:
            if current is not None:
                await delete_if_there(self._client, ENDPOINTS, current)
            return
        if not services.has_selector(service):
            return
        planned = plan_endpoints(service, services.pods_of(service, self._pods), current)
        if planned is not None:
            await self._write(service, planned, current)

    async def _write(self, service: Object, planned: Object, current: Object | None) -> None:
        try:
            if current is None:
                await self._client.create(ENDPOINTS, planned)
            else:
                await self._client.update(ENDPOINTS, planned)
        except ApiError as error:
            if is_terminating_namespace(error):
                return
            if error.code == 409:  # the cache is old
                raise
            if current is None:
                text = f"Failed to create endpoint for service {meta.key(service)}: {error}"
                self._event(service, "Warning", "FailedToCreateEndpoint", text)
            else:
                text = f"Failed to update endpoint {meta.key(planned)}: {error}"
                self._event(planned, "Warning", "FailedToUpdateEndpoint", text)
            raise
