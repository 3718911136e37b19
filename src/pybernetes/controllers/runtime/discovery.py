# SPDX-License-Identifier: Apache-2.0
"""What the API serves: every resource in its preferred version, from aggregated discovery."""

from typing import NamedTuple

import orjson

from pybernetes.apimachinery.types import GVK, GVR, Object
from pybernetes.client.rest import error_of, new_request, read_all
from pybernetes.client.types import Client

_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Served(NamedTuple):
    """One served resource."""

    gvr: GVR
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]


class Discovery(NamedTuple):
    """`resources`: preferred versions only. `kinds`: all versions. `failed`: groups that are down."""

    resources: list[Served]
    kinds: dict[GVK, Served]
    failed: list[str]


async def discover(client: Client) -> Discovery:
    """Ask the server. Raises ApiError, ConnectionError."""
    found = Discovery([], {}, [])
    for path in ("/api", "/apis"):
        reply = await read_all(await client.send(new_request("GET", path, accept=_ACCEPT)))
        if reply.status != 200:
            raise error_of(reply.status, reply.body)
        for group in orjson.loads(reply.body).get("items") or ():
            _read_group(group, found)
    return found


def _read_group(group: Object, found: Discovery) -> None:
    name = (group.get("metadata") or {}).get("name", "")
    known: set[str] = set()
    for version in group.get("versions") or ():
        if version.get("freshness") == "Stale":
            found.failed.append(f"{name}/{version['version']}")
        for resource in version.get("resources") or ():
            gvr = GVR(name, version["version"], resource["resource"])
            own = resource.get("responseKind") or {}
            kind, namespaced = own.get("kind", ""), resource.get("scope") == "Namespaced"
            served = Served(gvr, kind, namespaced, tuple(resource.get("verbs") or ()))
            found.kinds[GVK(name, gvr.version, kind)] = served
            if gvr.resource not in known:
                known.add(gvr.resource)
                found.resources.append(served)
