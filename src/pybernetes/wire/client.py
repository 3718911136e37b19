# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 client for one server: kept-alive connections, whole or streamed replies, upgrades.

It follows no redirects and knows no proxies. Whatever keeps an answer from coming is a
ConnectionError; a lapse of time is `ReplyTimeout`, which is a TimeoutError as well.
"""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass

from pybernetes.base.env import Env
from pybernetes.wire.exchange import BrokenReply, Exchange
from pybernetes.wire.types import ClientReply, Request

_IDLE = 60.0  # seconds that a connection is kept without a request
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ReplyTimeout(ConnectionError, TimeoutError):
    """No connection or no reply in time."""


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """Times in seconds."""

    server_name: str = ""  # for TLS; "" is the host
    common_name: str = ""  # that the server's certificate must have as well
    connect_timeout: float = 10.0
    max_idle: int = 32


_CONFIG = PoolConfig()


class HttpPool:
    """Connections to one server. Requests never wait for one another: each gets its own connection."""

    def __init__(
        self,
        env: Env,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None = None,
        *,
        config: PoolConfig = _CONFIG,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = ssl_context
        self._config = config
        self._idle: list[Exchange] = []  # the freshest last
        self._all: dict[Exchange, None] = {}
        self._closed = False
        default = 443 if ssl_context is not None else 80
        name = f"[{host}]" if ":" in host else host
        self._address = f"{name}:{port}"
        self._authority = name if port == default else self._address

    async def send(
        self, request: Request, *, stream: bool = False, timeout: float | None = None
    ) -> ClientReply:
        """The reply: Response; with `stream` StreamingResponse; after a 101 Upgraded.

        `timeout` (seconds; None: none) covers a reply, or its head if it is streamed.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._send(request, stream)
        except TimeoutError as error:
            if isinstance(error, ReplyTimeout):
                raise
            raise ReplyTimeout(f"no reply from {self._authority} in {timeout or 0:g} s") from error

    async def close(self) -> None:
        """Drop every connection, streams included."""
        self._closed = True
        self.drop_idle()
        for exchange in list(self._all):
            exchange.drop()
        self._all.clear()
        await asyncio.sleep(0)

    def drop_idle(self) -> None:
        """Forget the connections that wait for a request."""
        while self._idle:
            self._idle.pop().drop()

    async def _send(self, request: Request, stream: bool) -> ClientReply:
        while True:
            exchange = self._take_idle() or await self._connect()
            try:
                return await exchange.send(request, self._authority, stream)
            except BaseException as error:
                exchange.drop()
                broken = isinstance(error, BrokenReply) and error.nothing_came
                if not (broken and exchange.reused and request.method in _REPEATABLE):
                    raise

    def _take_idle(self) -> Exchange | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            exchange = self._idle.pop()
            if exchange.usable and now - exchange.idle_since < _IDLE:
                exchange.reused = True
                return exchange
            exchange.drop()
        return None

    def _release(self, exchange: Exchange) -> None:
        if self._closed or len(self._idle) >= self._config.max_idle:
            exchange.drop()
            return
        exchange.idle_since = asyncio.get_running_loop().time()
        self._idle.append(exchange)

    async def _connect(self) -> Exchange:
        if self._closed:
            raise ConnectionError("the client is closed")
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                exchange = await self._open()
        except TimeoutError as error:
            raise ReplyTimeout(f"dial tcp {self._address}: i/o timeout") from error
        except OSError as error:  # nobody listens, no such host, a certificate that was refused
            raise ConnectionError(f"dial tcp {self._address}: {dial_error(error)}") from error
        wanted = self._config.common_name
        if wanted and wanted != (found := exchange.peer_common_name()):
            exchange.drop()
            raise ConnectionError(
                f"the certificate of {self._authority} is {found}'s, not {wanted}'s"
            )
        self._all[exchange] = None
        return exchange

    async def _open(self) -> Exchange:
        loop = asyncio.get_running_loop()
        name = (self._config.server_name or self._host) if self._tls is not None else None
        _, exchange = await loop.create_connection(
            lambda: Exchange(self._release, lambda gone: self._all.pop(gone, None)),
            self._host,
            self._port,
            ssl=self._tls,
            server_hostname=name,
        )
        return exchange


def dial_error(error: OSError) -> str:
    """Why there is no connection, in the operating system's words as Go's net package puts them."""
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return str(error)
    return f"connect: {os.strerror(error.errno).lower()}"
