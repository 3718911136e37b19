# SPDX-License-Identifier: Apache-2.0
"""The types every listener serves through: Request, Reply, Stream, Handler. No Kubernetes here."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

Headers = tuple[tuple[str, str], ...]


class Stream(Protocol):
    """A two-way flow of bytes with back-pressure: a socket, a tunnel, one channel of many."""

    async def read(self) -> bytes:
        """The next bytes, as they come; b"" once the other side has finished writing."""

    async def write(self, data: bytes) -> None:
        """Send; waits while the other side is slow. Raises ConnectionError once it is gone."""

    async def close_write(self) -> None:
        """Say that nothing more will be written; reading goes on."""

    async def close(self) -> None:
        """End both directions. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection, as far as the transport knows."""

    address: str = ""
    certificates: tuple[bytes, ...] = ()  # DER, leaf first; the chain was checked against the CAs
    server_name: str = ""  # whom a TLS client asked for, where the listener chooses by it


@dataclass(slots=True)
class Request:
    """One HTTP request, its body read whole (within the listener's size limit).

    `path` is percent-decoded, `raw_path` is not; `query` is the raw query string. Header names
    are lower case; a repeated header is joined with ", ". `identity` is set only by in-process
    transports, which are trusted to say who calls; a listener always leaves it None.
    """

    method: str
    raw_path: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Peer = Peer()
    identity: Any = None

    @property
    def upgrade(self) -> str:
        """The protocol that the client wants to change to, in lower case; "" if none."""
        tokens = self.headers.get("connection", "").lower().split(",")
        wanted = any(token.strip() == "upgrade" for token in tokens)
        return self.headers.get("upgrade", "").lower() if wanted else ""


@dataclass(slots=True)
class Response:
    """A whole answer. Content-Length is added by the listener."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Headers = ()


@dataclass(slots=True)
class StreamingResponse:
    """An answer sent chunk by chunk (watches, followed logs).

    The listener closes `chunks` (aclose) when the client goes away.
    """

    chunks: AsyncIterator[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Headers = ()


@dataclass(slots=True)
class UpgradeResponse:
    """101 Switching Protocols: after the head is sent, `run` owns the connection's bytes.

    `headers` must hold Upgrade (and what the protocol needs); Connection is added.
    """

    run: Callable[[Stream], Awaitable[None]]
    headers: Headers = ()


@dataclass(slots=True)
class Upgraded:
    """What a client gets for a request that was answered with 101: the connection's bytes."""

    stream: Stream
    headers: Headers = ()


Reply = Response | StreamingResponse | UpgradeResponse
ClientReply = Response | StreamingResponse | Upgraded
Handler = Callable[[Request], Reply | Awaitable[Reply]]
"""Answers a request: at once where nothing has to be waited for (cheap), else by an awaitable."""
