# SPDX-License-Identifier: Apache-2.0
"""Changes to a service's EndpointSlices: what the two controllers that write them share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.client.types import Client
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.resources import ENDPOINT_SLICES
from pybernetes.controllers.runtime.writes import Writes

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
Family = str  # IPv4 or IPv6: the slice's addressType
Group = tuple[Family, bytes]  # address type and ports: what endpoints of one slice have in common


@dataclass(slots=True)
class Plan:
    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def plan_changes(
    wanted: Mapping[Group, Sequence[Object]],
    current: Sequence[Object],
    most: int,
    metadata: Callable[[Object | None], Object],
) -> Plan:
    """From the slices that are there to the endpoints that are wanted, with few changes. Pure.

    At most so many share a slice; a group that is wanted without any has one empty slice. `metadata`: a slice's,
    by what it was (None: a new one).
    """
    plan, more = Plan(), []
    groups: dict[Group, list[Object]] = {}
    for one in sorted(current, key=meta.name):
        group = one.get("addressType", ""), orjson.dumps(one.get("ports") or [])
        groups.setdefault(group, []).append(one)

    def put(group: Group, endpoints: list[Object], old: Object | None) -> None:
        new = old or {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
        new = {**new, "addressType": group[0], "ports": orjson.loads(group[1])}
        new |= {"metadata": metadata(old), "endpoints": endpoints}
        if old is None:
            plan.create.append(new)
        elif new != {"ports": [], "endpoints": [], **old}:
            plan.update.append(new)

    for group in {**groups, **wanted}:
        kept, new = _share_out(groups.get(group, []), wanted.get(group, ()), most)
        empty = group in wanted and not wanted[group]
        for one, endpoints in kept:
            if endpoints or empty:
                put(group, endpoints, one)
            else:
                plan.delete.append(one)
            empty = False
        more += [(group, endpoints) for endpoints in (new or [[]] * empty)]
    for group, endpoints in more:  # one that is of no more use takes other ports
        spare = next((one for one in plan.delete if one.get("addressType") == group[0]), None)
        if spare is not None:
            plan.delete.remove(spare)
        put(group, endpoints, spare)
    return plan


def _share_out(
    slices: Sequence[Object], wanted: Sequence[Object], most: int
) -> tuple[list[tuple[Object, list[Object]]], list[list[Object]]]:
    """The endpoints of each slice, where those that it has stay, and of further ones."""
    missing = {_identity(endpoint): endpoint for endpoint in wanted}
    kept: list[tuple[Object, list[Object]]] = []
    for one in slices:
        known = (missing.pop(_identity(old), None) for old in one.get("endpoints") or ())
        kept.append((one, [endpoint for endpoint in known if endpoint is not None]))
    kept.sort(key=lambda pair: not _differs(*pair))
    rest = list(missing.values())
    for one, endpoints in kept:
        room = most - len(endpoints)
        if rest and room > 0 and (_differs(one, endpoints) or len(rest) <= room):
            endpoints += rest[:room]
            rest = rest[room:]
    return kept, [rest[start : start + most] for start in range(0, len(rest), most)]


def _identity(endpoint: Object) -> tuple[str, str]:
    return (endpoint.get("targetRef") or {}).get("uid", ""), endpoint["addresses"][0]


def _differs(one: Object, endpoints: list[Object]) -> bool:
    return endpoints != (one.get("endpoints") or [])


def services_of(manager: str) -> Callable[[Object], list[str]]:
    """Of a slice of `manager`: the key of its service."""

    def keys(one: Object) -> list[str]:
        labels = meta.labels(one)
        if labels.get(MANAGED_BY) != manager:
            return []
        return [meta.make_key(meta.namespace(one), labels.get(SERVICE_NAME, ""))]

    return keys


async def apply_plan(client: Client, writes: Writes, key: str, plan: Plan) -> None:
    """Write the slices of `plan`, noted in `writes` under `key`. Raises ApiError."""
    for one in plan.create:
        writes.wrote(key, await client.create(ENDPOINT_SLICES, one))
    for one in plan.update:
        writes.wrote(key, await client.update(ENDPOINT_SLICES, one))
    for one in plan.delete:
        await delete_if_there(client, ENDPOINT_SLICES, one)
        writes.deleted(key, one)
