# SPDX-License-Identifier: Apache-2.0
"""UDP and TCP sockets that feed a resolver: bytes of a query in, bytes of an answer out.

A TCP client may send its next questions before it has the answers, and gets them as they are ready.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pybernetes.base import logs
from pybernetes.base.tasks import TaskGroup

Resolve = Callable[[bytes, str, bool], bytes | Awaitable[bytes] | None]
"""resolve(query, client, tcp): the answer at once, or to be waited for; None: say nothing."""

_log = logs.get("dns.listeners")
_TCP_IDLE = 10.0
_MAX_CONNECTIONS, _MAX_CONNECTIONS_EACH = 500, 50
_PIPELINED = 64  # questions under way on one connection


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolve: Resolve, group: TaskGroup) -> None:
        self._resolve = resolve
        self._group = group

        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport  # uvloop's is none of asyncio's classes: no isinstance here
        self._send = transport.sendto

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._resolve(data, addr[0], False)
        if isinstance(answer, bytes):
            self._send(answer, addr)
        elif answer is not None:
            self._group.start(self._later(answer, addr), "udp")

    async def _later(self, answer: Awaitable[bytes], addr: tuple[str, int]) -> None:
        try:
            self._send(await answer, addr)
        except Exception as error:  # noqa: BLE001 -- one question must not end everybody's DNS
            _log.crash("A question failed", error)


class Listeners:
    """Both sockets on one address; `port` is the one that was bound."""

    def __init__(self, resolve: Resolve, group: TaskGroup) -> None:
        self._resolve = resolve
        self._group = group
        self._datagrams = _Datagrams(resolve, group)
        self._server: asyncio.Server | None = None
        self._connections: Counter[str] = Counter()
        self.port = 0

    async def open(self, address: str, port: int) -> None:
        """Bind both; `close` is the caller's also where this fails or is cancelled. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._connected, address, port)
        self.port = self._server.sockets[0].getsockname()[1]
        await loop.create_datagram_endpoint(
            lambda: self._datagrams, local_addr=(address, self.port)
        )

    def close(self) -> None:
        for opened in (self._datagrams.transport, self._server):
            if opened is not None:
                opened.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._group.start(self._connection(reader, writer), "connection")

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = (writer.get_extra_info("peername") or ("",))[0]
        self._connections[client] += 1
        total, own = self._connections.total(), self._connections[client]
        try:
            if total <= _MAX_CONNECTIONS and own <= _MAX_CONNECTIONS_EACH:
                async with TaskGroup("tcp") as group:
                    # the client went away, stayed silent, or only wants what it asked for
                    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                        await self._converse(reader, writer, client, group)
        except Exception as error:  # noqa: BLE001 -- one client must not end everybody's DNS
            _log.crash("A connection failed", error)
        finally:
            self._connections[client] -= 1
            if not self._connections[client]:
                del self._connections[client]
            writer.close()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: str,
        group: TaskGroup,
    ) -> None:
        free = asyncio.Semaphore(_PIPELINED)

        async def later(answer: Awaitable[bytes]) -> None:
            try:
                _write(writer, await answer)
            finally:
                free.release()

        while True:
            async with asyncio.timeout(_TCP_IDLE):
                await free.acquire()
                await writer.drain()  # a client that does not read is not asked for more
                size = int.from_bytes(await reader.readexactly(2), "big")
                query = await reader.readexactly(size)
            answer = self._resolve(query, client, True)
            if answer is None:
                return
            if isinstance(answer, bytes):
                _write(writer, answer)
                free.release()
            else:
                group.start(later(answer), "answer")


def _write(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(len(answer).to_bytes(2, "big") + answer)
