# SPDX-License-Identifier: Apache-2.0
"""Exec and attach over WebSocket: one byte (or base64 digit) in front of each message is its channel."""

import base64
import binascii
import contextlib

from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.protocols import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT
from pybernetes.kubelet.server.session import BaseSession
from pybernetes.wire.websocket import WebSocket


class Channels:
    """A WebSocket's messages as (channel, bytes), in either encoding."""

    def __init__(self, socket: WebSocket, encoded: bool) -> None:
        self._socket = socket
        self._encoded = encoded

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message; None at the end. What cannot be read is skipped."""
        while (message := await self._socket.receive()) is not None:
            data = message.encode() if isinstance(message, str) else message
            if not data:
                continue
            if not self._encoded:
                return data[0], data[1:]
            with contextlib.suppress(binascii.Error):
                return data[0] - ord("0"), base64.b64decode(data[1:])
        return None

    async def send(self, channel: int, data: bytes) -> None:
        if self._encoded:
            await self._socket.send(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send(data, bytes((channel,)))

    async def close(self) -> None:
        await self._socket.close()


class WebSession(BaseSession):
    """The session of one WebSocket whose sub-protocol is `protocol`."""

    def __init__(self, socket: WebSocket, streams: Streams, protocol: str) -> None:
        super().__init__(streams, protocol)
        self._channels = Channels(socket, "base64." in protocol)

    async def write_stdout(self, data: bytes) -> None:
        if self.streams.stdout:
            await self._channels.send(STDOUT, data)

    async def write_stderr(self, data: bytes) -> None:
        if self.streams.stderr:
            await self._channels.send(STDERR, data)

    async def announce(self) -> None:
        """An empty message on the lowest channel we write: the session is up."""
        first = STDOUT if self.streams.stdout else STDERR if self.streams.stderr else ERROR
        await self._channels.send(first, b"")

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self.announce()
            while (message := await self._channels.receive()) is not None:
                self._take(*message)
                if self.gate.closed:
                    await self.gate.passed()

    def _take(self, channel: int, data: bytes) -> None:
        if channel == STDIN:
            self.stdin.feed(data)
        elif channel == RESIZE:
            self.resized(data)
        elif channel == CLOSE and data[:1] == bytes((STDIN,)):
            self.stdin.feed_eof()

    async def finish(self, status: bytes) -> None:
        if status:
            await self._channels.send(ERROR, status)

    async def hang_up(self) -> None:
        await self._channels.close()
