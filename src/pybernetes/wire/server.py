# SPDX-License-Identifier: Apache-2.0
"""The listener: HTTP/1.1 over TCP, TLS or a Unix socket, in front of a Handler.

`serve(env, handler, host, port)` answers as soon as it listens. It offers no HTTP/2: clients that
would prefer it are told so by ALPN.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

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

    @property
    def connections(self) -> int:
        return len(self._hub.members)

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
    sock: socket.socket | None = None,
    client_ca: str = "",
) -> Server:
    """Listen on host and port, or on `sock` (bound; TCP or Unix).

    `ssl_context` is taken over: ALPN and session tickets are set here. With `client_ca` (PEM, the
    union of all CAs) clients may show a certificate that one of these signed; `Request.peer` has
    the chain, and which CA may vouch for what is the handler's to check.
    """
    hub = Hub(env, handler, limits)
    if ssl_context is not None:
        ssl_context.set_alpn_protocols(["http/1.1"])
        ssl_context.num_tickets = 0  # a resumed session would not show the client's chain
        ssl_context.options |= ssl.OP_NO_TICKET
    if ssl_context is not None and client_ca:
        ssl_context.load_verify_locations(cadata=client_ca)
        ssl_context.verify_mode = ssl.CERT_OPTIONAL
    listener = await _listen(hub, (host, port), sock, ssl_context)
    _keep_alive(listener)
    await hub.open()
    return Server(hub, listener, _port(listener))


async def _listen(
    hub: Hub,
    address: tuple[str | Sequence[str], int],
    sock: socket.socket | None,
    context: ssl.SSLContext | None,
) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()

    def accept() -> Connection:
        return Connection(hub)

    more: dict[str, Any] = {"ssl": context, "backlog": _BACKLOG}
    if context is not None:
        more["ssl_handshake_timeout"] = _HANDSHAKE
    if sock is None:
        return await loop.create_server(accept, *address, **more)
    if sock.family == socket.AF_UNIX:
        return await loop.create_unix_server(accept, sock=sock, **more)
    return await loop.create_server(accept, sock=sock, **more)


def _sockets(listener: asyncio.AbstractServer) -> Sequence[socket.socket]:
    return getattr(listener, "sockets", ())


def _keep_alive(listener: asyncio.AbstractServer) -> None:
    """Accepted sockets inherit it: a machine that vanished is noticed within two minutes."""
    for sock in _sockets(listener):
        if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEP_ALIVE)


def _port(listener: asyncio.AbstractServer) -> int:
    sockets = _sockets(listener)
    name = sockets[0].getsockname() if sockets else None
    return int(name[1]) if isinstance(name, tuple) else 0
