# SPDX-License-Identifier: Apache-2.0
"""The client's side of one HTTP/1.1 connection: one request at a time, its reply whole or in chunks."""

import asyncio
from collections.abc import Callable

import httptools

from pybernetes.wire.heads import header_name, request_head
from pybernetes.wire.stream import Inbox, TransportStream
from pybernetes.wire.types import ClientReply, Request, Response, StreamingResponse, Upgraded

_MAX_HEAD = 1024 * 1024
_MAX_BODY = 512 * 1024 * 1024  # of a reply that is read whole
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class BrokenReply(ConnectionError):
    """The server's answer ended early or was no HTTP. `nothing_came`: not one byte of it was seen."""

    def __init__(self, message: str, nothing_came: bool = False) -> None:
        super().__init__(message)
        self.nothing_came = nothing_came


class Body:
    """A reply's body as it comes; an async iterator. `aclose` before its end drops the connection."""

    def __init__(self, inbox: Inbox, drop: Callable[[], None]) -> None:
        self._inbox = inbox
        self._drop = drop

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        data = await self._inbox.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        if not self._inbox.eof:
            self._drop()
        self._inbox.feed_eof()
        self._inbox.clear()


class Exchange(asyncio.Protocol):
    """- `released` is called once a reply is complete and the connection can carry another.
    - `gone` is called once the connection is lost, or handed over after a 101.
    - A connection that is not reusable closes itself.
    """

    def __init__(
        self,
        released: Callable[["Exchange"], None],
        gone: Callable[["Exchange"], None],
    ) -> None:
        self._released = released
        self._gone = gone
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[ClientReply] | None = None
        self._method = ""
        self._whole = True
        self._inbox: Inbox | None = None  # of a reply in chunks
        self._seen = False  # anything of the reply
        self._until_close = False  # the body has no other end
        self._headers: list[tuple[str, str]] = []
        self._in_head = True
        self._head_bytes = 0  # and what came with them
        self._content_type = ""
        self._parts: list[bytes] = []
        self._size = 0
        self._complete = False
        self._keep = False
        self._lost = False
        self.idle_since = 0.0
        self.reused = False

    @property
    def usable(self) -> bool:
        return not self._lost and not self._transport.is_closing()

    def peer_common_name(self) -> str:
        """That of the server's certificate."""
        subject = (self._transport.get_extra_info("peercert") or {}).get("subject", ())
        return next((value for part in subject for key, value in part if key == "commonName"), "")

    def send(self, request: Request, host: str, stream: bool) -> "asyncio.Future[ClientReply]":
        """Write `request`; the future has the reply, or BrokenReply."""
        self._method = request.method
        self._whole = not stream
        self._inbox = None
        self._seen = self._complete = self._until_close = self._keep = False
        self._parts = []
        self._size = 0
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(_encode(request, host))
        return self._reply

    def drop(self) -> None:
        if not self._lost:
            self._transport.abort()

    def _pause(self) -> None:
        if self.usable:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self.usable:
            self._transport.resume_reading()

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._reply is None:  # an answer nobody asked for
            self.drop()
            return
        self._seen = True
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD:
                self._fail(BrokenReply("the header of the response is too large"))
                self.drop()
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._upgraded(data[stop.args[0] :])
        except httptools.HttpParserError as error:
            self._fail(BrokenReply(f"malformed HTTP response: {error}"))
            self.drop()
        else:
            if self._complete:
                self._end()

    def eof_received(self) -> None:
        """The transport closes; connection_lost tells what it meant."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._until_close and exc is None and not self._in_head:
            self.on_message_complete()
            self._end()
        reason = str(exc) if exc else "the server closed the connection"
        self._fail(BrokenReply(reason, nothing_came=not self._seen))
        del self._parser  # it holds our bound methods: a cycle
        self._gone(self)

    # The parser calls these.

    def on_message_begin(self) -> None:
        self._headers = []
        self._content_type = ""
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer
        key = header_name(name)
        if key == "content-type":
            self._content_type = value.decode("latin-1")
        else:
            self._headers.append((key, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._in_head = False
        framed = any(k in {"content-length", "transfer-encoding"} for k, _ in self._headers)
        self._until_close = not framed and status not in {204, 304}
        if self._method == "HEAD":  # the parser would wait for a body
            self._complete = True
            self._until_close = True  # never to be reused
            self._settle(Response(status, b"", self._content_type, tuple(self._headers)))
        elif not self._whole:
            self._inbox = Inbox(self._pause, self._resume)
            body = Body(self._inbox, self.drop)
            headers = tuple(self._headers)
            self._settle(StreamingResponse(body, status, self._content_type, headers))

    def on_body(self, data: bytes) -> None:
        if self._inbox is not None:
            self._inbox.feed(data)
            return
        self._size += len(data)
        if self._size > _MAX_BODY:
            raise ValueError(f"the response is larger than {_MAX_BODY} bytes")
        self._parts.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._complete = True
        self._keep = not self._until_close and self._parser.should_keep_alive()
        if self._whole and self._method != "HEAD":
            headers = tuple(self._headers)
            self._settle(Response(status, b"".join(self._parts), self._content_type, headers))

    def _settle(self, reply: ClientReply) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def _end(self) -> None:
        """The reply is complete: back to the pool, or close."""
        if self._inbox is not None:
            self._inbox.feed_eof()
            self._resume()  # what is unread must not hold up the next reply
        self._reply = None
        self._parts = []
        if self._lost:
            return
        if self._keep:
            self._released(self)
        else:
            self._transport.close()

    def _fail(self, error: BrokenReply) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        if self._inbox is not None and not self._complete:
            self._inbox.fail(error)

    def _upgraded(self, tail: bytes) -> None:
        stream = TransportStream(self._transport)
        self._transport.set_protocol(stream)
        self._lost = True  # to us
        self._gone(self)
        del self._parser
        stream.data_received(tail)
        headers = (*self._headers, ("content-type", self._content_type))
        self._settle(Upgraded(stream, headers if self._content_type else headers[:-1]))
        if self._reply is not None and self._reply.cancelled():
            self._transport.abort()


def _encode(request: Request, host: str) -> bytes:
    framing = b""
    if "host" not in request.headers:
        framing += b"Host: %b\r\n" % host.encode()
    if "upgrade" in request.headers:
        framing += b"Connection: Upgrade\r\n"
    if request.body or request.method in _WITH_BODY:
        framing += b"Content-Length: %d\r\n" % len(request.body)
    target = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
    return request_head(request.method, target, request.headers, framing) + request.body
