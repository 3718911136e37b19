# SPDX-License-Identifier: Apache-2.0
"""Changes to a service's EndpointSlices: what the two controllers that write them share."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.client.informer import Informer
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


def group_of(one: Object) -> Group:
    return one.get("addressType", ""), orjson.dumps(one.get("ports") or [])


def follow_slices(slices: Informer, manager: str, add: Callable[[str], None]) -> None:
    """Queue the service (as namespace/name) of every slice of `manager` that changes, and index
    these slices by it under the manager's name."""

    def keys(one: Object) -> list[str]:
        labels = meta.labels(one)
        if labels.get(MANAGED_BY) != manager:
            return []
        return [meta.make_key(meta.namespace(one), labels.get(SERVICE_NAME, ""))]

    def changed(old: Object | None, new: Object | None) -> None:
        for key in dict.fromkeys(key for one in (old, new) if one for key in keys(one)):
            add(key)

    slices.add_index(manager, keys)
    slices.on_change(changed)


async def apply_plan(client: Client, writes: Writes, key: str, plan: Plan) -> None:
    """Write the slices of `plan`, noted in `writes` under `key`. Raises ApiError."""
    for one in plan.create:
        writes.wrote(key, await client.create(ENDPOINT_SLICES, one))
    for one in plan.update:
        writes.wrote(key, await client.update(ENDPOINT_SLICES, one))
    for one in plan.delete:
        await delete_if_there(client, ENDPOINT_SLICES, one)
        writes.deleted(key, one)
