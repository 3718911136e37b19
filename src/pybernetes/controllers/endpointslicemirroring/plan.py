# SPDX-License-Identifier: Apache-2.0
"""Decides the slices that mirror an Endpoints object: one for each family and set of ports. Pure."""

import ipaddress
from collections.abc import Sequence

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.slices import MANAGED_BY, SERVICE_NAME, Group, Plan, group_of

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


def plan_mirror(endpoints: Object, current: Sequence[Object]) -> tuple[Plan, int, int]:
    """The changes; how many addresses are no IP addresses; how many were too many."""
    wanted, invalid, skipped = _wanted(endpoints)
    plan = Plan()
    spare: list[Object] = []
    found: dict[Group, Object] = {}
    for one in sorted(current, key=meta.name):
        if group_of(one) in wanted and group_of(one) not in found:
            found[group_of(one)] = one
        else:
            spare.append(one)
    for group, addresses in wanted.items():
        old = found.get(group)
        if old is None:  # one that is of no more use takes the new ports
            alike = [one for one in spare if one.get("addressType") == group[0]]
            old = alike[0] if alike else None
            spare = [one for one in spare if one is not old]
        new = _slice(endpoints, group, addresses, old)
        if old is None:
            plan.create.append(new)
        elif new != old:
            plan.update.append(new)
    plan.delete = spare
    return plan, invalid, skipped


def _wanted(endpoints: Object) -> tuple[dict[Group, list[Object]], int, int]:
    wanted: dict[Group, dict[str, Object]] = {}
    invalid = skipped = 0
    for subset in endpoints.get("subsets") or ():
        ports = [_port(one) for one in subset.get("ports") or ()]
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


def _port(one: Object) -> Object:
    """A port with its keys in the order that slices' ports have here."""
    port: Object = {"name": one.get("name", ""), "port": one["port"]}
    port["protocol"] = one.get("protocol", "TCP")
    return port | ({"appProtocol": one["appProtocol"]} if one.get("appProtocol") else {})


def _endpoint(address: Object, ip: str, ready: bool) -> Object:
    kept: Object = {key: address[key] for key in _KEPT if key in address}
    return {"addresses": [ip], "conditions": {"ready": ready}, **kept}


def _slice(endpoints: Object, group: Group, addresses: list[Object], old: Object | None) -> Object:
    labels = {**meta.labels(endpoints), SERVICE_NAME: meta.name(endpoints), MANAGED_BY: MANAGER}
    annotations = {
        key: value for key, value in meta.annotations(endpoints).items() if key not in _NOT_MIRRORED
    }
    owner = meta.controller_reference(endpoints)
    if old is None:
        metadata = meta.new_metadata(
            namespace=meta.namespace(endpoints),
            generate_name=f"{meta.name(endpoints)}-",
            labels=labels,
            owners=[owner],
        )
    else:
        metadata = {**old["metadata"], "labels": labels, "ownerReferences": [owner]}
        metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {
        **(old or {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}),
        "metadata": metadata,
        "addressType": group[0],
        "ports": orjson.loads(group[1]),
        "endpoints": addresses,
    }
