# SPDX-License-Identifier: Apache-2.0
"""The listener: HTTP/1.1 over TCP or TLS, in front of a Handler.

`serve(env, handler, host, port)` answers as soon as it listens. It offers no HTTP/2: clients that
would prefer it are told so by ALPN.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from pybernetes.base.env import Env
from pybernetes.wire.connection import Connection
from pybernetes.wire.hub import Hub, Limits
from pybernetes.wire.types import Handler

_BACKLOG = 1024
_HANDSHAKE = 10.0  # seconds for a client's side of the TLS handshake
_KEEP_ALIVE = 15  # seconds between probes of a silent connection
_LIMITS = Limits()


class Server:
    """A listener that runs. `port` is the one it got if it was asked for 0."""

    def __init__(self, hub: Hub, listener: asyncio.AbstractServer, port: int) -> None:
        self._hub = hub
        self._listener = listener
        self.port = port

    async def close(self, grace: float = 0.0) -> None:
        """Listen no more; give running replies `grace` seconds, then cut them off."""
        self._listener.close()
        await self._hub.drain(grace)


async def serve(
    env: Env,
    handler: Handler,
    host: str | Sequence[str] = "127.0.0.1",
    port: int = 0,
    *,
    ssl_context: ssl.SSLContext | None = None,
    limits: Limits = _LIMITS,
) -> Server:
    """Listen on host and port, with TLS if there is an `ssl_context` (base.tls.server_context).

    `Request.peer` has the chain of a certificate that the client has shown; which CA may vouch for
    what is the handler's to check.
    """
    hub = Hub(env, handler, limits)
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(hub),
        host,
        port,
        ssl=ssl_context,
        ssl_handshake_timeout=_HANDSHAKE if ssl_context is not None else None,
        backlog=_BACKLOG,
    )
    for sock in listener.sockets:
        _keep_alive(sock)
    await hub.open()
    return Server(hub, listener, int(listener.sockets[0].getsockname()[1]))


def _keep_alive(sock: socket.socket) -> None:
    """Accepted sockets inherit it: a machine that vanished is noticed within two minutes."""
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEP_ALIVE)
