# SPDX-License-Identifier: Apache-2.0
"""Everything that is not ours is asked of the machine's own resolvers, bytes in, bytes out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path


class ForwardError(Exception):
    """No upstream answered."""


def resolvers(resolv_conf: Path, excluded: Sequence[str]) -> tuple[str, ...]:
    """The nameservers that `resolv_conf` lists, without `excluded` addresses (ourselves)."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    found = [pair[1] for pair in words if len(pair) > 1 and pair[0] == "nameserver"]
    return tuple(address for address in found if address not in excluded)


class _Exchange(asyncio.DatagramProtocol):
    """One question, one answer with the same identifier."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        transport.sendto(self._query)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._query[:2] and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


class Forwarder:
    """Asks upstreams in order; the next one where one does not answer in time."""

    def __init__(self, upstreams: Sequence[str], timeout: float, limit: int) -> None:
        self._upstreams = tuple(upstreams)
        self._timeout = timeout
        self._free = limit

    async def ask(self, query: bytes, *, tcp: bool) -> bytes:
        """An upstream's answer to `query`. Raises ForwardError."""
        if not self._upstreams:
            raise ForwardError("no upstream resolver")
        if self._free <= 0:
            raise ForwardError("too many forwarded queries")
        self._free -= 1
        try:
            for upstream in self._upstreams:
                try:
                    async with asyncio.timeout(self._timeout):
                        return await (self._tcp if tcp else self._udp)(query, upstream)
                except (TimeoutError, OSError, asyncio.IncompleteReadError):
                    continue
            raise ForwardError("no upstream resolver answered")
        finally:
            self._free += 1

    async def _udp(self, query: bytes, upstream: str) -> bytes:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Exchange(query), remote_addr=(upstream, 53)
        )
        try:
            return await protocol.answer
        finally:
            transport.close()

    async def _tcp(self, query: bytes, upstream: str) -> bytes:
        reader, writer = await asyncio.open_connection(upstream, 53)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)
        finally:
            writer.close()
