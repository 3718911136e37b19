# SPDX-License-Identifier: Apache-2.0
"""Decides a service's Endpoints from its pods. Pure."""

from collections.abc import Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import belongs_in_endpoints, is_ready
from pybernetes.controllers.runtime.services import (
    HEADLESS_LABEL,
    address_of,
    endpoint_ports,
    hostname,
    is_headless,
    target_reference,
)

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAXIMUM = 1000


def plan_subsets(service: Object, pods: Sequence[Object]) -> list[Object]:
    """Subsets: one for each distinct set of ports, addresses by IP."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[bytes, Object] = {}
    for pod in pods:
        if not belongs_in_endpoints(pod, include_terminating=publish):
            continue
        address, ports = _address(service, pod), endpoint_ports(pod, service)
        if address is None or ports is None:
            continue
        group = groups.setdefault(
            orjson.dumps(ports), {"addresses": [], "notReadyAddresses": [], "ports": ports}
        )
        ready = publish or is_ready(pod)
        group["addresses" if ready else "notReadyAddresses"].append(address)
    result = []
    for _, group in sorted(groups.items()):
        for addresses in (group["addresses"], group["notReadyAddresses"]):
            addresses.sort(key=lambda one: (one["ip"], one["targetRef"]["uid"]))
        result.append({key: value for key, value in group.items() if value})
    return result


def _address(service: Object, pod: Object) -> Object | None:
    ip = address_of(pod, (service["spec"].get("ipFamilies") or ["IPv4"])[0])
    if not ip:
        return None
    address: Object = {"ip": ip, "targetRef": target_reference(pod)}
    if pod["spec"].get("nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    if hostname(pod, service):
        address["hostname"] = hostname(pod, service)
    return address


def truncate(subsets: list[Object]) -> tuple[list[Object], bool]:
    """At most MAXIMUM addresses, ready ones first; True if some had to go."""
    total = sum(len(one.get(key, ())) for one in subsets for key in _LISTS)
    if total <= MAXIMUM:
        return subsets, False
    room = MAXIMUM
    kept: list[Object] = [dict(one) for one in subsets]
    for key in _LISTS:
        for subset in kept:
            if key in subset:
                subset[key] = subset[key][:room]
                room -= len(subset[key])
    kept = [{key: value for key, value in one.items() if value} for one in kept]
    return [one for one in kept if "addresses" in one or "notReadyAddresses" in one], True


_LISTS = ("addresses", "notReadyAddresses")


def plan_endpoints(
    service: Object, pods: Sequence[Object], current: Object | None
) -> Object | None:
    """The Endpoints to write; None if `current` is right."""
    subsets, truncated = truncate(plan_subsets(service, pods))
    labels = {**meta.labels(service), MANAGED_BY: MANAGER}
    labels.pop(HEADLESS_LABEL, None)
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
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
