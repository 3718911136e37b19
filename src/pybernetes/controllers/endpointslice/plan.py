# SPDX-License-Identifier: Apache-2.0
"""Decides which slices of a service to create, update and delete. Pure."""

import functools
from collections.abc import Callable, Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import belongs_in_endpoints, is_ready
from pybernetes.controllers.runtime import services, slices

MAXIMUM = 100  # endpoints in a slice
MANAGER = "endpointslice-controller.k8s.io"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_OURS = (slices.SERVICE_NAME, slices.MANAGED_BY, services.HEADLESS_LABEL)

FindNode = Callable[[str], Object | None]


def plan_slices(
    service: Object, pods: Sequence[Object], current: Sequence[Object], node: FindNode
) -> slices.Plan:
    """`current`: the slices of ours that the service has."""
    wanted = _wanted(service, pods, node)
    for family in families_of(service):  # a service without endpoints keeps one empty slice
        if not any(group[0] == family for group in wanted):
            wanted[family, orjson.dumps([])] = []
    plan = slices.plan_changes(wanted, current, MAXIMUM, functools.partial(_metadata, service))
    _note_triggers(plan, pods, current)
    return plan


def _note_triggers(plan: slices.Plan, pods: Sequence[Object], current: Sequence[Object]) -> None:
    """On each slice to write: since when the longest waiting of its changed endpoints is as it is,
    from which proxies count how long changes take."""
    since = {
        meta.uid(pod): (conditions.of(pod, "Ready") or {}).get("lastTransitionTime") for pod in pods
    }
    before = {meta.name(one): one.get("endpoints") or [] for one in current}
    for one in (*plan.create, *plan.update):
        known = before.get(meta.name(one), [])
        changed = [end["targetRef"]["uid"] for end in one["endpoints"] if end not in known]
        times = sorted(filter(None, (since.get(uid) for uid in changed)))
        annotations = {**meta.annotations(one)}
        annotations.pop(TRIGGER, None)
        one["metadata"]["annotations"] = annotations | ({TRIGGER: times[0]} if times else {})


def families_of(service: Object) -> list[slices.Family]:
    return list(service["spec"].get("ipFamilies") or ["IPv4"])


def _wanted(
    service: Object, pods: Sequence[Object], node: FindNode
) -> dict[slices.Group, list[Object]]:
    """Endpoints by group."""
    result: dict[slices.Group, list[Object]] = {}
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in pods:
        if not belongs_in_endpoints(pod, include_terminating=True):
            continue
        name = pod["spec"].get("nodeName") or ""
        found = node(name)
        ports = services.endpoint_ports(pod, service)
        if ports is None or (found is None and not publish):
            continue
        for family in families_of(service):
            endpoint = _endpoint(service, pod, family, found)
            if endpoint is not None:
                group = (family, orjson.dumps(ports))
                result.setdefault(group, []).append(endpoint)
    for endpoints in result.values():
        _add_hints(service, endpoints)
    return result


def _endpoint(
    service: Object, pod: Object, family: slices.Family, node: Object | None
) -> Object | None:
    address = services.address_of(pod, family)
    if not address:
        return None
    serving, terminating = is_ready(pod), meta.is_deleting(pod)
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: Object = {
        "addresses": [address],
        "conditions": {
            "ready": publish or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        **services.place_of(pod, service),
    }
    zone = meta.labels(node or {}).get("topology.kubernetes.io/zone")
    return endpoint | ({"zone": zone} if zone else {})


def _add_hints(service: Object, endpoints: list[Object]) -> None:
    """trafficDistribution: every endpoint is meant for its own zone (and node)."""
    distribution = service["spec"].get("trafficDistribution")
    near = distribution in ("PreferClose", "PreferSameZone", "PreferSameNode")
    if not near or not all("zone" in one for one in endpoints):
        return
    for one in endpoints:
        if not one["conditions"]["ready"]:
            continue
        one["hints"] = {"forZones": [{"name": one["zone"]}]}
        if distribution == "PreferSameNode" and one.get("nodeName"):
            one["hints"]["forNodes"] = [{"name": one["nodeName"]}]


def _metadata(service: Object, old: Object | None) -> Object:
    if old is not None:
        return {**old["metadata"], "labels": _labels(service)}
    return meta.new_metadata(
        namespace=meta.namespace(service),
        generate_name=f"{meta.name(service)}-",
        labels=_labels(service),
        owners=[meta.controller_reference(service)],
    )


def _labels(service: Object) -> dict[str, str]:
    """The service's labels and ours; of labels that others put on the slice nothing stays."""
    labels = {key: value for key, value in meta.labels(service).items() if key not in _OURS}
    labels |= {slices.SERVICE_NAME: meta.name(service), slices.MANAGED_BY: MANAGER}
    if services.is_headless(service):
        labels[services.HEADLESS_LABEL] = ""
    return labels
