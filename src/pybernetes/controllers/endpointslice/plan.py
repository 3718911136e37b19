# SPDX-License-Identifier: Apache-2.0
"""Decides which slices of a service to create, update and delete. Pure."""

from collections.abc import Callable, Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import belongs_in_endpoints, is_ready
from pybernetes.controllers.runtime.services import (
    HEADLESS_LABEL,
    address_of,
    endpoint_ports,
    is_headless,
    place_of,
)
from pybernetes.controllers.runtime.slices import (
    MANAGED_BY,
    SERVICE_NAME,
    Family,
    Group,
    Plan,
    group_of,
)

MAXIMUM = 100  # endpoints in a slice
MANAGER = "endpointslice-controller.k8s.io"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_OURS = (SERVICE_NAME, MANAGED_BY, HEADLESS_LABEL)

FindNode = Callable[[str], Object | None]


def plan_slices(
    service: Object, pods: Sequence[Object], current: Sequence[Object], node: FindNode
) -> Plan:
    """`current`: the slices of ours that the service has."""
    plan = Plan()
    wanted = _wanted(service, pods, node)
    groups: dict[Group, list[Object]] = {}
    for one in sorted(current, key=meta.name):
        groups.setdefault(group_of(one), []).append(one)
    for family in families_of(service):  # a service without endpoints keeps one empty slice
        if not any(group[0] == family for group in wanted):
            wanted[family, orjson.dumps([])] = {}
    for group in {**groups, **wanted}:
        _plan_group(service, group, (groups.get(group, []), wanted.get(group)), plan)
    _note_triggers(plan, pods, current)
    return plan


def _note_triggers(plan: Plan, pods: Sequence[Object], current: Sequence[Object]) -> None:
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


def families_of(service: Object) -> list[Family]:
    return list(service["spec"].get("ipFamilies") or ["IPv4"])


def _wanted(
    service: Object, pods: Sequence[Object], node: FindNode
) -> dict[Group, dict[str, Object]]:
    """Endpoints by group and by pod UID."""
    result: dict[Group, dict[str, Object]] = {}
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in pods:
        if not belongs_in_endpoints(pod, include_terminating=True):
            continue
        name = pod["spec"].get("nodeName") or ""
        found = node(name)
        ports = endpoint_ports(pod, service)
        if ports is None or (found is None and not publish):
            continue
        for family in families_of(service):
            endpoint = _endpoint(service, pod, family, found)
            if endpoint is not None:
                group = (family, orjson.dumps(ports))
                result.setdefault(group, {})[meta.uid(pod)] = endpoint
    for endpoints in result.values():
        _add_hints(service, endpoints)
    return result


def _endpoint(service: Object, pod: Object, family: Family, node: Object | None) -> Object | None:
    address = address_of(pod, family)
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
        **place_of(pod, service),
    }
    zone = meta.labels(node or {}).get("topology.kubernetes.io/zone")
    return endpoint | ({"zone": zone} if zone else {})


def _add_hints(service: Object, endpoints: dict[str, Object]) -> None:
    """trafficDistribution: every endpoint is meant for its own zone (and node)."""
    distribution = service["spec"].get("trafficDistribution")
    near = distribution in ("PreferClose", "PreferSameZone", "PreferSameNode")
    if not near or not all("zone" in one for one in endpoints.values()):
        return
    for one in endpoints.values():
        if not one["conditions"]["ready"]:
            continue
        one["hints"] = {"forZones": [{"name": one["zone"]}]}
        if distribution == "PreferSameNode" and one.get("nodeName"):
            one["hints"]["forNodes"] = [{"name": one["nodeName"]}]


def _plan_group(
    service: Object, group: Group, state: tuple[list[Object], dict[str, Object] | None], plan: Plan
) -> None:
    """One group of endpoints. `state`: its slices, and the endpoints it should have, if it is wanted:
    without any, then, one empty slice."""
    slices, missing = state[0], dict(state[1] or {})
    empty = state[1] is not None and not missing
    kept: list[tuple[Object, list[Object]]] = []
    for one in slices:
        endpoints = []
        for endpoint in one.get("endpoints") or ():
            wanted = missing.pop((endpoint.get("targetRef") or {}).get("uid", ""), None)
            if wanted is not None:
                endpoints.append(wanted)
        kept.append((one, endpoints))
    changed_first = sorted(kept, key=lambda pair: pair[1] == (pair[0].get("endpoints") or []))
    rest = list(missing.values())
    for one, endpoints in changed_first:
        touched = endpoints != (one.get("endpoints") or [])
        room = MAXIMUM - len(endpoints)
        if rest and room > 0 and (touched or len(rest) <= room):
            endpoints += rest[:room]
            rest = rest[room:]
        if endpoints or empty:
            empty = False
            _update(service, one, endpoints, plan)
        else:
            plan.delete.append(one)
    for start in range(0, max(len(rest), int(empty)), MAXIMUM):
        plan.create.append(_new_slice(service, group, rest[start : start + MAXIMUM]))


def _update(service: Object, one: Object, endpoints: list[Object], plan: Plan) -> None:
    labels = _labels(service)
    if endpoints != (one.get("endpoints") or []) or labels != meta.labels(one):
        metadata = {**one["metadata"], "labels": labels}
        plan.update.append({**one, "metadata": metadata, "endpoints": endpoints})


def _new_slice(service: Object, group: Group, endpoints: list[Object]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta.new_metadata(
            namespace=meta.namespace(service),
            generate_name=f"{meta.name(service)}-",
            labels=_labels(service),
            owners=[meta.controller_reference(service)],
        ),
        "addressType": group[0],
        "ports": orjson.loads(group[1]),
        "endpoints": endpoints,
    }


def _labels(service: Object) -> dict[str, str]:
    """The service's labels and ours; of labels that others put on the slice nothing stays."""
    labels = {key: value for key, value in meta.labels(service).items() if key not in _OURS}
    labels |= {SERVICE_NAME: meta.name(service), MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return labels
