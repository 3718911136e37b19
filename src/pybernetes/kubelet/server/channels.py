# SPDX-License-Identifier: Apache-2.0
"""Channels over a WebSocket: one byte (or base64 digit) in front of each message is its channel."""

import base64
import binascii
import contextlib
from collections.abc import Iterable

from pybernetes.wire.stream import Gate, Inbox
from pybernetes.wire.websocket import WebSocket

_CLOSE = 255  # v5: the channel named by the next byte has ended


class Channel:
    """One channel as a Stream. To the client it cannot end on its own."""

    was_reset = False

    def __init__(self, channels: "Channels", number: int, gate: Gate) -> None:
        self.inbox = Inbox(gate.close, gate.open)
        self._channels = channels
        self._number = number

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        await self._channels.send(self._number, data)

    async def close_write(self) -> None:
        """Not possible."""

    async def close(self) -> None:
        self.inbox.feed_eof()
        self.inbox.clear()


class Channels:
    """- `parts` are those one expects to hear; what comes on others, or cannot be read, is dropped.
    - `listen` fills them until the client is gone; it reads on only while none is too full.
    """

    def __init__(self, socket: WebSocket, protocol: str, numbers: Iterable[int]) -> None:
        self._gate = Gate()
        self._socket = socket
        self._encoded = "base64." in protocol
        self._half_close = protocol.startswith("v5.")
        self.parts = {number: Channel(self, number, self._gate) for number in numbers}

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (message := await self._socket.receive()) is not None:
                if message:
                    self._take(message.encode() if isinstance(message, str) else message)
                if self._gate.closed:
                    await self._gate.passed()

    def _take(self, message: bytes) -> None:
        number, data = message[0], message[1:]
        if self._encoded:
            number -= ord("0")
            try:
                data = base64.b64decode(data)
            except binascii.Error:
                return
        if number == _CLOSE and self._half_close and data[:1]:
            number = data[0]
            if number in self.parts:
                self.parts[number].inbox.feed_eof()
        elif number in self.parts:
            self.parts[number].inbox.feed(data)

    async def send(self, number: int, data: bytes) -> None:
        if self._encoded:
            await self._socket.send(f"{number}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send(data, bytes((number,)))

    async def close(self) -> None:
        await self._socket.close()
