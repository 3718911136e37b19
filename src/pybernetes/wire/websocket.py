# SPDX-License-Identifier: Apache-2.0
"""WebSocket (RFC 6455) over a Stream. No extensions.

A server checks a request with `handshake` and answers UpgradeResponse with its headers. Masks are
made with 32-bit XOR: integers for short payloads, NumPy for long ones (several GB/s).
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import Sequence

from pybernetes.base.random import Random
from pybernetes.wire.stream import EndOfStream, Reader
from pybernetes.wire.types import Headers, Request, Stream

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1007, 1009, 1011
_ABNORMAL = 1006
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VECTOR_FROM = 1024  # bytes: from here on NumPy is faster
_CLOSE_TIMEOUT = 5.0
MAX_MESSAGE = 32 * 1024 * 1024


class WebSocketError(ConnectionError):
    """The other side broke the protocol; `code` is what we close with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class HandshakeError(ValueError):
    """A request that cannot become a WebSocket; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def accept_key(key: str) -> str:
    """What a server answers to a client's key."""
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def handshake(request: Request, supported: Sequence[str]) -> tuple[str, Headers]:
    """(sub-protocol, headers of the 101). Raises HandshakeError.

    The first offered sub-protocol that is `supported` wins. Offering none is accepted as "" if ""
    is supported; offering only unknown ones never is.
    """
    key = request.headers.get("sec-websocket-key", "")
    if request.upgrade != "websocket" or request.method != "GET":
        raise HandshakeError(400, "not a WebSocket request")
    if request.headers.get("sec-websocket-version", "") != "13":
        raise HandshakeError(426, "unsupported WebSocket version, use 13")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        valid = False
    if not valid:
        raise HandshakeError(400, "bad Sec-WebSocket-Key")
    listed = request.headers.get("sec-websocket-protocol", "").split(",")
    offered = [token.strip() for token in listed if token.strip()]
    chosen = next((name for name in offered if name in supported), None)
    if chosen is None and not offered and "" in supported:
        chosen = ""
    if chosen is None:
        raise HandshakeError(
            403, f"requested protocol(s) are not supported: {offered}; supports {list(supported)}"
        )
    headers = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept_key(key))]
    if chosen:
        headers.append(("Sec-WebSocket-Protocol", chosen))
    return chosen, tuple(headers)


def mask(data: bytes, key: bytes) -> bytes:
    """`data` XOR the repeated 4-byte `key`; its own inverse."""
    size = len(data)
    if size < _VECTOR_FROM:
        pad = int.from_bytes((key * (size // 4 + 1))[:size], "little")
        return (int.from_bytes(data, "little") ^ pad).to_bytes(size, "little")
    import numpy as np

    words = np.frombuffer(data + b"\0" * (-size % 4), dtype=np.uint32)
    masked: bytes = (words ^ np.frombuffer(key, dtype=np.uint32)[0]).tobytes()
    return masked[:size]


class WebSocket:
    """- One task receives, any number send; pings are answered while one receives.
    - `receive` gives None once the other side has closed; `close_code` then says how.
    - A side that breaks the protocol is told so and WebSocketError is raised.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        masks: Random | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        """`masks` makes it the client's side, which masks what it sends."""
        self.close_code = 0
        self._stream = stream
        self._reader = Reader(stream)
        self._masks = masks
        self._max_message = max_message
        self._sent_close = False
        self._receiving = False
        self._ended = asyncio.Event()  # nothing more will be received

    async def receive(self) -> bytes | str | None:
        """The next message. Raises ConnectionError."""
        if self._ended.is_set():
            return None
        self._receiving = True
        try:
            message = await self._message()
        except WebSocketError as error:
            self._end(error.code)
            await self._send_close(error.code, str(error))
            raise
        except EndOfStream as error:
            self._end(_ABNORMAL)
            if not error.clean:
                raise
            return None
        except ConnectionError:
            self._end(_ABNORMAL)
            raise
        finally:
            self._receiving = False
        return message

    async def send(self, data: bytes | str, prefix: bytes = b"") -> None:
        """One message: str as text, bytes (behind `prefix`) as binary. Raises ConnectionError."""
        if self._sent_close:
            raise ConnectionResetError("the WebSocket is closed")
        if isinstance(data, str):
            await self._send_frame(TEXT, prefix + data.encode())
        else:
            await self._send_frame(BINARY, prefix + data if prefix else data)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, wait a little for the other side's, and end the stream."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._send_close(code, reason)
                if self._receiving:
                    await self._ended.wait()
                while not self._ended.is_set():
                    await self.receive()
        await self._stream.close()

    async def _send_close(self, code: int, reason: str) -> None:
        if self._sent_close:
            return
        self._sent_close = True
        payload = code.to_bytes(2, "big") + reason.encode()[:120] if code != _ABNORMAL else b""
        with contextlib.suppress(ConnectionError):
            await self._send_frame(CLOSE, payload)

    async def _send_frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        masked = 0 if self._masks is None else 0x80
        if size < 126:
            head = bytes((0x80 | opcode, masked | size))
        elif size < 1 << 16:
            head = bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big")
        if self._masks is not None:
            key = self._masks.below(1 << 32).to_bytes(4, "big")
            head += key
            payload = mask(payload, key)
        await self._stream.write(head + payload)

    def _end(self, code: int) -> None:
        self.close_code = self.close_code or code
        self._ended.set()

    async def _message(self) -> bytes | str | None:
        """Frames up to the end of a message; control frames in between are dealt with."""
        kind: int | None = None
        parts: list[bytes] = []
        size = 0
        while True:
            opcode, final, payload = await self._frame(size)
            if opcode >= CLOSE:
                if await self._control(opcode, payload):
                    return None
                continue
            if (opcode == CONTINUATION) == (kind is None):
                raise WebSocketError(PROTOCOL_ERROR, "fragments out of order")
            kind = kind or (TEXT if opcode == TEXT else BINARY)
            size += len(payload)
            parts.append(payload)
            if final:
                break
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return _text(data) if kind == TEXT else data

    async def _frame(self, before: int) -> tuple[int, bool, bytes]:
        """(opcode, last of its message, unmasked payload)."""
        reader = self._reader
        first, second = reader.at_once(2) or await reader.exactly(2)
        opcode, final, size = first & 0x0F, first >= 0x80, second & 0x7F
        if first & 0x70 or opcode not in {0, 1, 2, 8, 9, 10}:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bits or unknown opcode")
        if (second >= 0x80) == (self._masks is not None):
            raise WebSocketError(PROTOCOL_ERROR, "wrong masking")
        if opcode >= CLOSE and (size > 125 or not final):
            raise WebSocketError(PROTOCOL_ERROR, "bad control frame")
        if size >= 126:
            size = int.from_bytes(await reader.exactly(2 if size == 126 else 8), "big")
        if before + size > self._max_message:
            raise WebSocketError(TOO_BIG, f"message is larger than {self._max_message} bytes")
        key = b"" if self._masks is not None else reader.at_once(4) or await reader.exactly(4)
        payload = reader.at_once(size)
        if payload is None:
            payload = await reader.exactly(size)
        return opcode, final, mask(payload, key) if key else payload

    async def _control(self, opcode: int, payload: bytes) -> bool:
        """Deal with a control frame; True: it was the close."""
        if opcode == PING and not self._sent_close:
            await self._send_frame(PONG, payload)
        if opcode != CLOSE:
            return False
        if len(payload) == 1:
            raise WebSocketError(PROTOCOL_ERROR, "bad close frame")
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        _text(payload[2:])
        self._end(code)
        await self._send_close(code if 1000 <= code < 5000 and code != 1005 else NORMAL, "")
        return True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WebSocketError(BAD_DATA, "text is not UTF-8") from error


class WebSocketStream:
    """A WebSocket's binary messages as a Stream (bytes tunnelled in messages).

    There is no half-close in WebSocket: `close_write` does nothing.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            if isinstance(message, str):
                raise WebSocketError(1003, "a text message in a tunnel")
            if message:
                return message
        return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(data)

    async def close_write(self) -> None:
        """Not possible; see above."""

    async def close(self) -> None:
        await self._socket.close()
