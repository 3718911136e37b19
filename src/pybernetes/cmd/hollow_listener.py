# SPDX-License-Identifier: Apache-2.0
"""One TLS listener for all kubelets of a hollow fleet: logs, numbers and pods through the API server.

Which node is meant is said by TLS (the API server asks for a node by its name); else by the pod in
the path; else there must be one node only. Each node has a serving certificate of its own from the
cluster's signer: we ask for it, and approve it where nobody else does and we may. Until a node has
one, and for clients that name no node, a self-signed certificate is shown.
"""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Mapping
from typing import Any

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.types import Client
from pybernetes.cmd.hollow import HollowFleet
from pybernetes.cmd.node_certificates import SERVING, due, obtain
from pybernetes.wire.server import Server, serve
from pybernetes.wire.types import Handler, Reply, Request, Response

AT_ONCE = 4  # requests for certificates
RETRY = 30.0
LIFE = 0.8  # of a certificate: then the next one is asked for
_OF_PODS = ("containerLogs", "exec", "attach", "portForward", "run")


class FleetListener:
    """`client` may make (and approve) certificate requests; `ca` (PEM) vouches for callers.

    `fleet` is set once it is there: its nodes tell the port we listen on.
    """

    def __init__(self, env: Env, client: Client, ca: bytes) -> None:
        self._env, self._client, self._ca = env, client, ca
        self.fleet: HollowFleet | None = None
        self._pairs: dict[str, tls.KeyPair] = {}
        self._context = functools.lru_cache(maxsize=64)(
            lambda name: tls.server_context(self._pairs[name], ca)
        )
        self._places = asyncio.Semaphore(AT_ONCE)

    async def listen(self, address: str, port: int) -> Server:
        own = tls.new_ca("hollow nodes", self._env.clock, days=365)
        context = tls.server_context(own, self._ca)
        context.sni_callback = self._choose
        return await serve(self._env, self.handle, address, port, ssl_context=context)

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name in self._handlers:
            connection.asked_for = name  # type: ignore[attr-defined]  # wire's Peer.server_name
            if name in self._pairs:
                connection.context = self._context(name)

    @property
    def _handlers(self) -> Mapping[str, Handler]:
        return self.fleet.handlers if self.fleet is not None else {}

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        found = self._of(request)
        if found is None:
            text = f"which of {len(self._handlers)} nodes? Name it as TLS server name\n"
            return Response(421, text.encode(), "text/plain")
        return found(request)

    def _of(self, request: Request) -> Handler | None:
        handlers, name = self._handlers, request.peer.server_name
        first, *rest = [*request.path.strip("/").split("/"), "", ""][:3]
        if not name and first in _OF_PODS and self.fleet is not None:
            name = self.fleet.node_of(*rest)
        if not name and len(handlers) == 1:
            name = next(iter(handlers))
        return handlers.get(name)

    async def run(self) -> None:
        """Get certificates, and the next ones in time, until cancelled."""
        async with TaskGroup("certificates") as group:
            for name in self._handlers:
                group.start(self._keep(name), name)

    async def _keep(self, name: str) -> None:
        who = tls.Subject(f"system:node:{name}", ["system:nodes"], dns=[name])
        how: dict[str, Any] = {"approve": True, "places": self._places, "longest_wait": RETRY}
        while True:
            self._pairs[name] = await obtain(self._client, SERVING, who, **how)
            self._context.cache_clear()
            await due(self._pairs[name], LIFE, self._env.clock)
