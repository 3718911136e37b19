# SPDX-License-Identifier: Apache-2.0
"""Exec and attach: SPDY/3.1 is passed through, a WebSocket (v5, v4, pre-v4, base64) is bridged.

On a WebSocket one byte (or base64 digit) in front of each message is its channel.
"""

import base64
import binascii
import contextlib

from pybernetes.apimachinery.errors import ApiError, internal
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.protocols import (
    EXEC_WEBSOCKET,
    RUNTIME_EXEC,
    encode_failure,
    encode_status,
    is_spdy,
    plain,
)
from pybernetes.kubelet.server.runtime import connect, pass_through, read_all
from pybernetes.wire.spdy import SpdySession, SpdyStream
from pybernetes.wire.types import Reply, Request, Stream, UpgradeResponse
from pybernetes.wire.websocket import HandshakeError, WebSocket, handshake, is_websocket

EXECUTING = "executing command in container"
ATTACHING = "attaching to container"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255  # channels


def stream_options(query: dict[str, list[str]]) -> Streams:
    """Which streams the query asks for. Raises ValueError with upstream's words if none."""

    def asked(*names: str) -> bool:
        return any(query.get(name, [""])[0] in {"1", "true"} for name in names)

    tty = asked("tty")
    streams = Streams(
        stdin=asked("input", "stdin"),
        stdout=asked("output", "stdout"),
        stderr=asked("error", "stderr") and not tty,  # a terminal has one output
        tty=tty,
    )
    if not (streams.stdin or streams.stdout or streams.stderr):
        raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
    return streams


async def serve_session(
    env: Env, request: Request, url: str, streams: Streams, *, action: str
) -> Reply:
    """Upgrade `request` to the runtime's session at `url`; `action` words its failure."""
    if is_spdy(request):
        return await pass_through(env, url, request, RUNTIME_EXEC)
    if not is_websocket(request):
        return plain(400, "unable to upgrade: missing upgrade headers in request")
    try:
        protocol, headers = handshake(request, EXEC_WEBSOCKET)
    except HandshakeError as error:
        return plain(error.status, str(error))

    async def run(stream: Stream) -> None:
        channels = Channels(WebSocket(stream), "base64." in protocol)
        try:
            words = encode_status(
                await _status(env, url, streams, channels, action=action), protocol
            )
            if words:
                await channels.send(ERROR, words)
        except ConnectionError:
            pass  # nobody is left to hear it
        finally:
            await channels.close()

    return UpgradeResponse(run, headers)


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


async def _status(
    env: Env, url: str, streams: Streams, channels: Channels, *, action: str
) -> bytes:
    """Serve the session to its end; the Status that ends it, as v4 of the protocol has it."""
    try:
        connection = await connect(env, url, RUNTIME_EXEC[0])
        async with connection.running():
            return await _bridge(connection, streams, channels)
    except ConnectionError:
        broken = "the connection to the container broke"
        return encode_failure(internal(f"error {action}: {broken}"))
    except ApiError as error:
        return encode_failure(error)


async def _bridge(connection: SpdySession, streams: Streams, channels: Channels) -> bytes:
    """Move the bytes until both outputs and the error stream have ended; the latter's words."""
    asked = {
        STDIN: ("stdin", streams.stdin),
        STDOUT: ("stdout", streams.stdout),
        STDERR: ("stderr", streams.stderr and not streams.tty),
        RESIZE: ("resize", streams.tty),
    }
    # Finished at once: what reaches a runtime that has closed makes its kernel drop unsent output.
    error = await connection.open({"streamType": "error"}, finished=True)
    parts = {
        channel: await connection.open({"streamType": name})
        for channel, (name, wanted) in asked.items()
        if wanted
    }
    outputs = [channel for channel in (STDOUT, STDERR) if channel in parts]
    await channels.send([*outputs, ERROR][0], b"")  # the session is up
    async with TaskGroup("bridge") as group:
        listening = group.start(_listen(channels, parts, connection), "client")
        draining = [group.start(_drain(parts[n], channels, n), str(n)) for n in outputs]
        words = await read_all(error)
        for task in draining:
            await task
        listening.cancel()
    if not words:
        raise ConnectionResetError("no status came")
    return words


async def _listen(channels: Channels, parts: dict[int, SpdyStream], to: SpdySession) -> None:
    """Hand on what the client says; once it is gone, the session is over."""
    try:
        while (message := await channels.receive()) is not None:
            channel, data = message
            stdin = parts.get(STDIN)
            with contextlib.suppress(ConnectionError):  # who reads no more may still write
                if channel in (STDIN, RESIZE) and channel in parts:
                    await parts[channel].write(data)
                elif channel == CLOSE and data[:1] == bytes((STDIN,)) and stdin is not None:
                    await stdin.close_write()
    except ConnectionError:
        pass
    await to.close()


async def _drain(stream: SpdyStream, channels: Channels, channel: int) -> None:
    while data := await stream.read():
        await channels.send(channel, data)
