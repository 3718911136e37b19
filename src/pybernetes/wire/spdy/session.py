# SPDX-License-Identifier: Apache-2.0
"""A SPDY/3.1 session: streams opened by either side over one connection.

Left out: flow-control windows (the peers we meet, container tools written in Go, neither announce
nor honour any: the connection itself slows the sender, a stream whose reader is behind stops the
reading) and pings of our own.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping

from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.spdy import frames
from pybernetes.wire.spdy.frames import FIN, HeaderCodec, SpdyError
from pybernetes.wire.stream import EndOfStream, Gate, Inbox, Reader
from pybernetes.wire.types import Stream

_CHUNK = 128 * 1024  # payload of one DATA frame at most
_INBOX = 1024 * 1024  # unread bytes of one stream before the session is read no further
_GOODBYE = 1.0  # seconds
MAX_STREAMS = 2048


class SpdyStream:
    """One stream of a session; a `wire` Stream.

    - `headers` are those it was opened with.
    - The other side's reset ends reading as a finish does (that is how Go tools say goodbye) and
      makes writing raise ConnectionResetError; `was_reset` tells which it was.
    """

    def __init__(self, session: "SpdySession", stream_id: int, headers: Mapping[str, str]) -> None:
        self.id = stream_id
        self.headers = dict(headers)
        self.inbox = Inbox(session.gate.close, session.gate.open, _INBOX)
        self.write_closed = False
        self.was_reset = False
        self._session = session

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            if self.write_closed:
                raise ConnectionResetError("the stream is closed for writing")
            await self._session.send(frames.data_frame(self.id, data[start : start + _CHUNK]))

    async def close_write(self) -> None:
        if not self.write_closed:
            await self._session.finish(self)

    async def close(self) -> None:
        """Finish writing; if the other side has not finished, reset."""
        with contextlib.suppress(ConnectionError):
            await self.close_write()
            if not self.inbox.eof:
                await self._session.reset(self, frames.CANCEL)
        self.inbox.feed_eof()
        self.inbox.clear()


class SpdySession:
    """- `run` reads frames until the connection ends; streams that have not ended then fail.
    - `accept` hands out the streams the other side opens, in order; each was answered already.
    - Frames leave in the order of the calls; a call waits while the connection is slow.
    """

    def __init__(self, stream: Stream, *, server: bool) -> None:
        self._stream = stream
        self._reader = Reader(stream)
        self._codec = HeaderCodec()
        self._streams: dict[int, SpdyStream] = {}
        self._next_id = 2 if server else 1
        self._last_accepted = 0
        self._theirs = 1 if server else 0  # parity of the ids the other side gives
        self._incoming: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self.gate = Gate()  # closed while a stream's reader is behind
        self._over = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the connection while the block lasts; close it at its end."""

        async def run() -> None:
            with contextlib.suppress(ConnectionError):
                await self.run()

        async with TaskGroup("spdy") as group:
            group.start(run(), "session")
            try:
                yield
            finally:
                await self.close()

    async def run(self) -> None:
        """Serve the connection until either side ends it. Raises SpdyError on broken frames."""
        reader = self._reader
        try:
            while not self._over:
                head = reader.at_once(frames.HEAD) or await reader.exactly(frames.HEAD)
                kind, stream_id, flags, size = frames.parse_head(head)
                payload = reader.at_once(size)
                if payload is None:
                    payload = await reader.exactly(size)
                if kind == 0:
                    self._on_data(stream_id, flags, payload)
                    if self.gate.closed:
                        await self.gate.passed()
                else:
                    await self._on_control(kind, flags, payload)
        except EndOfStream as error:
            if not error.clean and not self._over:
                raise
        except struct.error as error:
            raise SpdyError("a frame is too short") from error
        finally:
            self._end()

    async def accept(self) -> SpdyStream | None:
        """The next stream the other side opened; None once there will be no more."""
        return await self._incoming.get()

    async def open(self, headers: Mapping[str, str], *, finished: bool = False) -> SpdyStream:
        """Open a stream, without waiting for the answer."""
        self._check()
        stream_id = self._next_id
        self._next_id += 2
        stream = SpdyStream(self, stream_id, headers)
        self._streams[stream_id] = stream
        stream.write_closed = finished
        block = self._codec.encode(headers)
        payload = struct.pack(">IIBB", stream_id, 0, 0, 0) + block
        await self.send(frames.control(frames.SYN_STREAM, payload, FIN if finished else 0))
        return stream

    async def close(self) -> None:
        """Say goodbye and end the connection; safe to call twice."""
        if not self._over:
            self._over = True
            goodbye = struct.pack(">II", self._last_accepted, 0)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self._stream.write(frames.control(frames.GOAWAY, goodbye))
        await self._stream.close()
        self._end()

    # What streams ask for.

    async def finish(self, stream: SpdyStream) -> None:
        stream.write_closed = True
        self._forget_ended(stream)
        await self.send(frames.data_frame(stream.id, b"", FIN))

    async def reset(self, stream: SpdyStream, status: int) -> None:
        stream.write_closed = True
        self._streams.pop(stream.id, None)
        await self._send_reset(stream.id, status)

    # Frames that come.

    def _on_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # reset a moment ago
        stream.inbox.feed(payload)
        if flags & FIN:
            stream.inbox.feed_eof()
            self._forget_ended(stream)

    async def _on_control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == frames.SYN_STREAM:
            await self._on_syn_stream(flags, payload)
        elif kind in {frames.SYN_REPLY, frames.HEADERS}:
            self._on_headers(kind, flags, payload)
        elif kind == frames.RST_STREAM:
            self._on_reset(_id(payload))
        elif kind == frames.PING and _id(payload) % 2 == self._theirs:
            await self.send(frames.control(frames.PING, payload[:4]))

    async def _on_syn_stream(self, flags: int, payload: bytes) -> None:
        stream_id = _id(payload)
        headers = self._codec.decode(payload[10:])
        if stream_id % 2 != self._theirs or stream_id <= self._last_accepted:
            raise SpdyError(f"stream id {stream_id} is out of order")
        self._last_accepted = stream_id
        if len(self._streams) >= MAX_STREAMS:
            await self._send_reset(stream_id, frames.REFUSED_STREAM)
            return
        stream = SpdyStream(self, stream_id, headers)
        self._streams[stream_id] = stream
        if flags & FIN:
            stream.inbox.feed_eof()
        if flags & frames.UNIDIRECTIONAL:
            stream.write_closed = True
        else:
            reply = stream_id.to_bytes(4, "big") + self._codec.encode({})
            await self.send(frames.control(frames.SYN_REPLY, reply))
        self._incoming.put_nowait(stream)

    def _on_headers(self, kind: int, flags: int, payload: bytes) -> None:
        headers = self._codec.decode(payload[4:])  # always: the zlib state goes on
        stream = self._streams.get(_id(payload))
        if stream is None:
            return
        if kind == frames.HEADERS:
            stream.headers |= headers
        if flags & FIN:
            stream.inbox.feed_eof()
            self._forget_ended(stream)

    def _on_reset(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.was_reset = stream.write_closed = True
            stream.inbox.feed_eof()

    # The rest.

    def _check(self) -> None:
        if self._over:
            raise ConnectionResetError("the SPDY session is over")

    async def send(self, frame: bytes) -> None:
        self._check()
        await self._stream.write(frame)

    async def _send_reset(self, stream_id: int, status: int) -> None:
        await self.send(frames.control(frames.RST_STREAM, struct.pack(">II", stream_id, status)))

    def _forget_ended(self, stream: SpdyStream) -> None:
        if stream.write_closed and stream.inbox.eof:
            self._streams.pop(stream.id, None)

    def _end(self) -> None:
        """Nothing more will come: end every stream and everyone who waits."""
        self._over = True
        gone = ConnectionResetError("the SPDY session is over")
        for stream in self._streams.values():
            stream.write_closed = True
            stream.inbox.fail(gone)
        self._streams.clear()
        self.gate.open()
        self._incoming.put_nowait(None)


def _id(payload: bytes) -> int:
    (number,) = struct.unpack_from(">I", payload)
    return int(number) & frames.STREAM_ID
