# SPDX-License-Identifier: Apache-2.0
"""How the API server reaches kubelets: those of this process directly, others over TLS.

Whatever address a Node reports, the server there must show the certificate of that very node: no
Node can lead the API server, whose own certificate opens every door, to itself or to another node.
"""

import ssl

from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.node import addresses
from pybernetes.base.env import Env
from pybernetes.client.inprocess import InProcess
from pybernetes.cmd.identities import API_SERVER
from pybernetes.wire.client import HttpPool, PoolConfig
from pybernetes.wire.types import ClientReply, Handler, Request

_ADDRESS_ORDER = ("InternalIP", "Hostname", "ExternalIP")


class Nodes:
    """The API server's NodeDialer. `local` kubelets are added as they start."""

    def __init__(self, env: Env, context: ssl.SSLContext | None) -> None:
        self._env = env
        self._context = context
        self._local: dict[str, InProcess] = {}
        self._pools: dict[str, tuple[tuple[str, int], HttpPool]] = {}

    def add_local(self, node: str, handler: Handler) -> None:
        """The kubelet of `node` runs in this process."""
        self._local[node] = InProcess(handler, API_SERVER)

    async def send(self, node: Object, request: Request) -> ClientReply:
        """Raises ConnectionError where the node has no address or does not answer."""
        name = node["metadata"]["name"]
        if name in self._local:
            return await self._local[name].exchange(request, stream=True)
        if self._context is None:
            raise ConnectionError(f"no way to reach node {name}")
        return await self._pool(name, _address(node)).send(request, stream=True)

    def _pool(self, name: str, address: tuple[str, int]) -> HttpPool:
        """Connections to node `name`; those to where it was before end when nobody uses them."""
        known = self._pools.get(name)
        if known is None or known[0] != address:
            config = PoolConfig(server_name=name, common_name=f"system:node:{name}")
            known = address, HttpPool(self._env, *address, self._context, config=config)
            self._pools[name] = known
        return known[1]

    async def close(self) -> None:
        for local in self._local.values():
            await local.close()
        for _, pool in self._pools.values():
            await pool.close()


def _address(node: Object) -> tuple[str, int]:
    """Where a Node says its kubelet listens. Raises ConnectionError."""
    status = node.get("status") or {}
    endpoints = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    for kind in _ADDRESS_ORDER:
        for address in addresses(node, kind):
            return address, endpoints.get("Port") or 10250
    raise ConnectionError(f"node {node['metadata']['name']} has no address")


def ready_since(node: Object) -> str | None:
    """The heartbeat of a Node that says it is Ready; None where it does not."""
    found = conditions.first_true(node, "Ready")
    return None if found is None else str(found.get("lastHeartbeatTime"))
