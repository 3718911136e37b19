# SPDX-License-Identifier: Apache-2.0
"""Streams over what they may run on: an inbox with a high-water mark, and a transport's bytes.

One reader and any number of writers per stream. A reader that is slow pauses the transport; a
writer waits while the transport's buffer is full.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable

from pybernetes.wire.types import Stream

_TCP_CLOSE = 7  # the first byte of struct tcp_info: reset, or keep-alive was not answered
_FLUSH = 30.0  # seconds for a closed connection to send at least something of what is left
HIGH_WATER = 256 * 1024


async def end(chunks: AsyncIterator[bytes]) -> None:
    """Say that nobody reads on; what has no `aclose` needs no telling."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


class Inbox:
    """Bytes that came and were not yet read.

    - `pause` is called when more than `limit` bytes wait, `resume` when the reader caught up.
    - What came before an end or an error is read first.
    """

    def __init__(
        self,
        pause: Callable[[], None],
        resume: Callable[[], None],
        limit: int = HIGH_WATER,
    ) -> None:
        self.size = 0
        self.eof = False
        self._chunks: list[bytes] = []
        self._error: ConnectionError | None = None
        self._limit = limit
        self._pause = pause
        self._resume = resume
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        if not data or self.eof:
            return
        self._chunks.append(data)
        self.size += len(data)
        if self.size > self._limit and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def feed_eof(self) -> None:
        self.eof = True
        self._wake()

    def fail(self, error: ConnectionError) -> None:
        """Let readers raise `error` once they have read what came before."""
        if not self.eof:
            self._error = error
            self.feed_eof()

    def clear(self) -> None:
        """Forget what nobody will read any more."""
        self._chunks.clear()
        self.size = 0
        self._unpause()

    async def read(self) -> bytes:
        """All that has come, in one piece (fewer, larger writes follow); b"" at the end.

        Raises the error the inbox failed with.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.eof:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self.clear()
        return data

    def _unpause(self) -> None:
        if self._paused:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Gate:
    """Where writers wait: open unless the other side is slow; `fail` ends all waiting."""

    __slots__ = ("_closed", "_error", "_waiters")

    def __init__(self) -> None:
        self._closed = False
        self._error: ConnectionError | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def open(self) -> None:
        self._closed = False
        self._wake()

    def fail(self, error: ConnectionError) -> None:
        self._error = error
        self._wake()

    def check(self) -> None:
        if self._error is not None:
            raise ConnectionResetError(*self._error.args)

    async def passed(self) -> None:
        """Wait until the gate is open. Raises ConnectionError once it has failed."""
        self.check()
        while self._closed:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
            self.check()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


class TransportStream(asyncio.Protocol):
    """A transport's bytes as a Stream; set as the transport's protocol once HTTP is over.

    TLS cannot end one direction only: there `close_write` flushes, and the end is seen on close.
    """

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        if transport is not None:
            self._transport = transport
        self._inbox = Inbox(self._pause, self._resume)
        self._gate = Gate()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._inbox.feed(data)

    def eof_received(self) -> bool:
        self._inbox.feed_eof()
        return self._transport.get_extra_info("sslcontext") is None  # keep the writing half open

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        error = ConnectionResetError(str(exc) if exc else "the connection was closed")
        if exc is None:
            self._inbox.feed_eof()
        else:
            self._inbox.fail(error)
        self._gate.fail(error)

    def pause_writing(self) -> None:
        self._gate.close()

    def resume_writing(self) -> None:
        self._gate.open()

    def _pause(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def is_dead(self) -> bool:
        """Whether the connection is gone, even if reading is paused, when the loop does not tell."""
        sock = self._transport.get_extra_info("socket")
        if self._lost or sock.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
            return self._lost
        return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE)

    async def read(self) -> bytes:
        return await self._inbox.read()

    async def write(self, data: bytes) -> None:
        self._gate.check()
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closing")
        self._transport.write(data)
        if self._gate.closed:
            await self._gate.passed()

    async def close_write(self) -> None:
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    async def close(self) -> None:
        self._inbox.feed_eof()
        self._inbox.clear()
        if self._lost or self._transport.is_closing():
            return
        self._transport.close()
        self._await_flush(self._transport.get_write_buffer_size())

    def _await_flush(self, unsent: int) -> None:
        """What is unsent may take its time, as long as it gets less."""

        def look() -> None:
            left = 0 if self._lost else self._transport.get_write_buffer_size()
            if left >= unsent:
                self._transport.abort()
            elif left:
                self._await_flush(left)

        if unsent:
            asyncio.get_running_loop().call_later(_FLUSH, look)


async def connect(sock: socket.socket, address: tuple[str, int]) -> Stream:
    """`sock` (non-blocking, taken over) connected to `address`. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, address)
        _, stream = await loop.create_connection(TransportStream, sock=sock)
    except BaseException:
        sock.close()
        raise
    return stream


class EndOfStream(ConnectionError):
    """The stream ended inside of something. `clean`: it ended before its first byte."""

    def __init__(self, clean: bool) -> None:
        super().__init__(
            "the stream ended" if clean else "the stream ended in the middle of a frame"
        )
        self.clean = clean


class Reader:
    """Exact amounts of bytes from a Stream."""

    __slots__ = ("_at", "_chunk", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._chunk = b""
        self._at = 0

    def at_once(self, count: int) -> bytes | None:
        """The next `count` bytes if they have come already."""
        start = self._at
        end = start + count
        if end > len(self._chunk):
            return None
        self._at = end
        return self._chunk[start:end]

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes. Raises EndOfStream."""
        data = self.at_once(count)
        if data is not None:
            return data
        parts = [self._chunk[self._at :]] if self._at < len(self._chunk) else []
        missing = count - len(parts[0]) if parts else count
        while True:
            chunk = await self._stream.read()
            if not chunk:
                raise EndOfStream(clean=missing == count)
            if len(chunk) >= missing:
                break
            parts.append(chunk)
            missing -= len(chunk)
        self._chunk, self._at = chunk, missing
        return b"".join((*parts, chunk[:missing])) if parts else chunk[:missing]
