# SPDX-License-Identifier: Apache-2.0
"""UDP and TCP sockets that feed a resolver: bytes of a query in, bytes of an answer out."""

import asyncio
from collections.abc import Awaitable, Callable

from pybernetes.base.tasks import TaskGroup

Resolve = Callable[[bytes, bool], bytes | Awaitable[bytes] | None]
"""resolve(query, tcp): the answer at once, or to be waited for; None: say nothing."""

_TCP_IDLE = 10.0
_MAX_CONNECTIONS = 500


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolve: Resolve, group: TaskGroup) -> None:
        self._resolve = resolve
        self._group = group
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport  # uvloop's is none of asyncio's classes: no isinstance here

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._resolve(data, False)
        if isinstance(answer, bytes):
            self._send(answer, addr)
        elif answer is not None:
            self._group.start(self._later(answer, addr), "udp")

    async def _later(self, answer: Awaitable[bytes], addr: tuple[str, int]) -> None:
        self._send(await answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(answer, addr)


class Listeners:
    """Both sockets on one address; `port` is the one that was bound."""

    def __init__(self, resolve: Resolve, group: TaskGroup) -> None:
        self._resolve = resolve
        self._group = group
        self._connections = 0
        self.port = 0

    async def open(self, address: str, port: int) -> None:
        """Bind both. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connection, address, port)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._resolve, self._group), local_addr=(address, self.port)
        )

    def close(self) -> None:
        self._transport.close()
        self._server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= _MAX_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client went away or stayed silent
        finally:
            self._connections -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_TCP_IDLE):
                size = int.from_bytes(await reader.readexactly(2), "big")
                query = await reader.readexactly(size)
            answer = self._resolve(query, True)
            if answer is None:
                return
            data = answer if isinstance(answer, bytes) else await answer
            writer.write(len(data).to_bytes(2, "big") + data)
            await writer.drain()
