# SPDX-License-Identifier: Apache-2.0
"""One accepted connection: HTTP/1.1 requests in, replies out, in order.

llhttp parses strictly (conflicting lengths, folded or unknown framing are refused), and what it
leaves open is refused here: a missing or repeated Host, other transfer codings than chunked,
bodies on requests to upgrade. While a reply is awaited further requests wait; their number is
bounded by not reading on.
"""

import asyncio
import contextlib
import logging
import math
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from typing import NamedTuple

import httptools

from pybernetes.wire.heads import header_name, response_head, split_target
from pybernetes.wire.hub import Hub, refusal
from pybernetes.wire.stream import Gate, TransportStream, end
from pybernetes.wire.types import (
    Peer,
    Reply,
    Request,
    Response,
    StreamingResponse,
    UpgradeResponse,
)

log = logging.getLogger("pybernetes.wire")
_PIPELINED = 16  # requests that may wait on one connection before it is read no further
_WATCH = 10.0  # seconds between looks at a connection that was handed over
_LINGER = 1.0  # seconds in which a client that still sends may read why it should not
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODYLESS = frozenset({204, 304})


class _Refused(Exception):
    """Raised inside parser callbacks; the connection holds the answer already."""


class _Parsed(NamedTuple):
    request: Request
    keep_alive: bool
    chunked: bool  # HTTP/1.1: may be answered in chunks


def _peer(transport: asyncio.BaseTransport) -> Peer:
    name = transport.get_extra_info("peername")
    address = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "")
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return Peer(address)
    return Peer(address, _chain(tls), getattr(tls, "asked_for", ""))


def _chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The verified chain, leaf first. Before Python 3.13 only the inner object shows it."""
    inner = tls if hasattr(tls, "get_verified_chain") else getattr(tls, "_sslobj", None)
    chain = inner.get_verified_chain() if inner is not None else None
    if chain:
        return tuple(c if isinstance(c, bytes) else c.public_bytes(2) for c in chain)
    leaf = tls.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


class Connection(asyncio.Protocol):
    """- Replies leave in the order of the requests; at most one handler runs at a time.
    - `deadline` is when the hub may close us for being slow or idle (math.inf: we are busy).
    - A lost connection cancels the handler that runs.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parser = httptools.HttpRequestParser(self)
        self._ready: deque[_Parsed] = deque()
        self._task: asyncio.Task[None] | None = None
        self._gate = Gate()
        self._refusal: Response | None = None  # the last answer: what came behind was no HTTP
        self._ending = False  # nothing more will be read or answered
        self._keep_alive = True
        self._chunked = True
        self._half_closed = False
        self._owes_continue = False
        self._tail: bytearray | None = None  # bytes behind a request to upgrade
        self._reading_paused = False
        self._handed: TransportStream | None = None  # after a 101
        self._unsent = 0  # bytes, when the deadline was over last
        self.deadline = math.inf
        self._begin()
        self._in_head = False

    def _begin(self) -> None:
        """Of the request that is being parsed."""
        self._in_head = True
        self._head_bytes = 0  # seen by the parser
        self._head_fed = 0  # given to the parser
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        if not self._hub.welcome(self):
            self._ending = True
            self._transport.abort()
            return
        self._peer = _peer(transport)
        self._tls = transport.get_extra_info("sslcontext") is not None
        self.deadline = self._hub.now + self._hub.limits.header_timeout

    def data_received(self, data: bytes) -> None:
        if self._ending or self._refusal is not None:
            return
        if self._tail is not None:
            self._keep_tail(data)
            return
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as stop:
            self._tail = bytearray(data[stop.args[0] :])
        except httptools.HttpParserError:
            if self._refusal is None:
                self._refusal = refusal(400, "malformed HTTP request")
        if self._task is None:
            self.advance()
        elif len(self._ready) > _PIPELINED and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _feed(self, data: bytes) -> None:
        if self._in_head:
            self._head_fed += len(data)
            if self._head_fed > self._hub.limits.header_bytes:
                self._refusal = refusal(431, "request header is too large")
                return
        self._parser.feed_data(data)

    def eof_received(self) -> bool:
        """The client writes no more: taken as gone, except where only the writing is behind."""
        self._half_closed = True
        return self._task is None and self._gate.closed and not self._tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._ready.clear()
        self._gate.fail(ConnectionResetError("the client is gone"))
        self._hub.farewell(self)
        if self._task is not None:
            self._task.cancel()
        del self._parser  # it holds our bound methods: a cycle

    def pause_writing(self) -> None:
        self._gate.close()

    def resume_writing(self) -> None:
        self._gate.open()
        if self._task is None:
            self.advance()

    # The parser calls these.

    def on_message_begin(self) -> None:
        self._begin()
        if self._task is None:
            self.deadline = self._hub.now + self._hub.limits.header_timeout

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nothing of ours reads them
        key = header_name(name)
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._hub.limits.header_bytes:
            self._raise(431, "request header is too large")
        text = value.decode("latin-1")
        if key not in self._headers:
            self._headers[key] = text
        elif key == "host":
            self._raise(400, "too many Host headers")
        else:
            self._headers[key] += ", " + text

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        if "host" not in headers and self._parser.get_http_version() != "1.0":
            self._raise(400, "missing required Host header")
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self._raise(501, "unsupported transfer encoding")
        length = int(headers.get("content-length", "0"))
        if length > self._hub.limits.body_bytes:
            self._raise(413, f"limit is {self._hub.limits.body_bytes}")
        if self._parser.should_upgrade() and (length or "transfer-encoding" in headers):
            self._raise(400, "a request to upgrade must not have a body")
        if self._task is None:
            self.deadline = self._hub.now + self._hub.limits.body_timeout
        if headers.get("expect", "").lower() == "100-continue":
            self._invite()

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > self._hub.limits.body_bytes:
            self._raise(413, f"limit is {self._hub.limits.body_bytes}")
        self._body.append(data)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        if method == "CONNECT":
            self._raise(405, "CONNECT is not supported")
        try:
            raw_path, path, query = split_target(self._url)
        except ValueError as error:
            self._raise(400, str(error))
            return
        body = b"".join(self._body)
        request = Request(method, raw_path, path, query, self._headers, body, self._peer)
        chunked = self._parser.get_http_version() != "1.0"
        self._ready.append(_Parsed(request, self._parser.should_keep_alive(), chunked))
        self._headers = {}
        self._owes_continue = False

    def _raise(self, status: int, text: str) -> None:
        self._refusal = refusal(status, text)
        raise _Refused

    def _invite(self) -> None:
        if self._task is None and not self._ready:
            self._transport.write(_CONTINUE)
        else:
            self._owes_continue = True

    def _keep_tail(self, data: bytes) -> None:
        """Bytes sent before our 101: kept for the stream, within the limit of a body."""
        assert self._tail is not None
        self._tail += data
        if len(self._tail) > self._hub.limits.body_bytes:
            self._ending = True
            self._transport.abort()

    # Replies.

    def advance(self) -> None:
        """Answer the requests that wait, until one has to be awaited."""
        ready = self._ready
        while ready and self._task is None and not self._ending and not self._gate.closed:
            request, keep_alive, self._chunked = ready.popleft()
            self._keep_alive = keep_alive and not self._is_last()
            reply = self._hub.ask(request)
            if type(reply) is Response:
                self._send(request, reply)
            else:
                self.deadline = math.inf
                self._task = self._hub.start(self._work(request, reply))
        if not ready and self._task is None and not self._ending:
            self._settle()

    def _is_last(self) -> bool:
        """Whether the connection ends with the reply that is due."""
        if self._hub.draining:
            return True
        no_more = self._half_closed or self._tail is not None  # of HTTP, at least
        return no_more and not self._ready

    def _settle(self) -> None:
        """All that was asked is answered."""
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        if self._refusal is not None and not self._gate.closed:
            self._close_with(self._refusal)

    async def _work(self, request: Request, reply: Reply | Awaitable[Reply]) -> None:
        """The task behind a reply that has to be waited for."""
        try:
            if not isinstance(reply, StreamingResponse | UpgradeResponse | Response):
                reply = await self._hub.wait(request, reply)
            if isinstance(reply, Response):
                self._send(request, reply)
            elif isinstance(reply, StreamingResponse):
                await self._stream(request, reply)
            else:
                await self._upgrade(request, reply)
        except ConnectionError:
            self._abandon()
        except Exception:
            log.exception("A reply broke off: %s %s", request.method, request.path)
            self._abandon()
        finally:
            self._task = None
            self._next()

    def _next(self) -> None:
        if self._ending:
            return
        self.deadline = self._hub.now + self._hub.limits.idle_timeout
        if self._owes_continue and not self._ready:
            self._owes_continue = False
            self._transport.write(_CONTINUE)
        self.advance()

    def _framing(self, extra: bytes) -> bytes:
        if self._keep_alive:
            return b"%bDate: %b\r\n" % (extra, self._hub.date)
        return b"%bDate: %b\r\nConnection: close\r\n" % (extra, self._hub.date)

    def _send(self, request: Request, reply: Response, close: bool = True) -> None:
        """One write: the head and the body."""
        status, body, headers = reply.status, reply.body, reply.headers
        head_only = request.method == "HEAD" or status in _BODYLESS
        keep_length = head_only and any(k.lower() == "content-length" for k, _ in headers)
        if keep_length or status == 204:
            framing = self._framing(b"")
        else:
            framing = self._framing(b"Content-Length: %d\r\n" % len(body))
        try:
            head = response_head(
                status, reply.content_type, headers, framing, keep_length=keep_length
            )
        except ValueError:
            log.exception("A reply has a bad header: %s %s", request.method, request.path)
            self._abandon()
            return
        self._transport.write(head if head_only else head + body)
        if self._keep_alive:
            self.deadline = self._hub.now + self._hub.limits.idle_timeout
        elif close:
            self._finish()

    async def _stream(self, request: Request, reply: StreamingResponse) -> None:
        """Chunk by chunk, each flushed, waiting while the client is slow."""
        chunked = self._chunked
        if not chunked:
            self._keep_alive = False
        framing = self._framing(b"Transfer-Encoding: chunked\r\n" if chunked else b"")
        try:
            head = response_head(reply.status, reply.content_type, reply.headers, framing)
            self._transport.write(head)
            if request.method != "HEAD":
                await self._pump(reply.chunks, chunked)
        finally:
            await end(reply.chunks)
        if not self._keep_alive:
            self._finish()

    async def _pump(self, chunks: AsyncIterator[bytes], chunked: bool) -> None:
        write = self._transport.write
        async for chunk in chunks:
            if not chunk:
                continue
            write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if self._gate.closed:
                await self._gate.passed()
        if chunked:
            write(b"0\r\n\r\n")

    async def _upgrade(self, request: Request, reply: UpgradeResponse) -> None:
        """Hand the connection over. The parser is done with it, and so is the hub's deadline."""
        if self._tail is None:
            self._send(request, refusal(400, "Upgrade request required"))
            return
        framing = b"Connection: Upgrade\r\nDate: %b\r\n" % self._hub.date
        self._transport.write(response_head(101, "", reply.headers, framing))
        self._ending = True
        self._handed = stream = TransportStream(self._transport)
        self.deadline = self._hub.now + _WATCH
        self._transport.set_protocol(stream)
        stream.data_received(bytes(self._tail))
        try:
            await reply.run(stream)
        finally:
            await stream.close()
            self._hub.farewell(self)

    def _close_with(self, reply: Response) -> None:
        """Answer `reply` and close; of a body that is too large, read on so that it is seen."""
        self._keep_alive = False
        linger = reply.status == 413 and not self._half_closed
        self._ending = True
        self._send(Request("", "", ""), reply, close=not linger)
        if linger:
            self.deadline = self._hub.now + _LINGER
            if not self._tls:
                self._transport.write_eof()

    def _finish(self) -> None:
        """Close once everything is written."""
        self._ending = True
        self._ready.clear()
        self._transport.close()

    def _abandon(self) -> None:
        """Close without an end of the reply, so that the client knows it is not whole."""
        self._ending = True
        if not self._transport.is_closing():
            self._transport.close()

    # The hub calls these.

    def retire(self) -> None:
        """The hub drains: leave when idle, else after the reply."""
        self._keep_alive = False
        if self._task is None and not self._ready:
            self._finish()

    def expire(self) -> None:
        """The deadline is over; a client that still takes what it asked for gets another one.

        Who took the connection over may wait for something else and not see that the client is
        gone: what was on its way has had its time by now.
        """
        if self._handed is not None:
            if self._handed.is_dead() and self._task is not None:
                self._task.cancel()
            self.deadline = self._hub.now + _WATCH
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self.deadline = self._hub.now + self._hub.limits.idle_timeout
            return
        self.deadline = math.inf
        self._ending = True
        self._transport.abort() if unsent else self._transport.close()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        with contextlib.suppress(AttributeError):  # Python 3.11.2: a closed TLS transport
            self._transport.abort()
