# SPDX-License-Identifier: Apache-2.0
"""Port-forward: SPDY/3.1, bare or in a WebSocket tunnel, is passed through; channels are bridged.

Source: k8s.io/kubelet/pkg/cri/streaming/portforward and k8s.io/streaming.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server.protocols import (
    FORWARD_WEBSOCKET,
    RUNTIME_FORWARD,
    TUNNEL,
    is_spdy,
    plain,
)
from pybernetes.kubelet.server.remotecommand import Channels
from pybernetes.kubelet.server.runtime import (
    connect,
    pass_through,
    read_all,
    running,
    tunnel_through,
)
from pybernetes.wire.joint import join
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.stream import Gate, Inbox
from pybernetes.wire.types import Reply, Request, Stream, UpgradeResponse
from pybernetes.wire.websocket import HandshakeError, WebSocket, handshake, is_websocket, protocols

_COMPLAINT_TIMEOUT = 5.0  # the runtime ends the error stream just after the data


def forward_ports(query: dict[str, list[str]]) -> list[int]:
    """The ports of a WebSocket's query. Raises ValueError with upstream's words."""
    ports = []
    for value in query.get("port", []):
        for text in value.split(","):
            if not text.isdigit() or not 0 < int(text) < 65536:
                raise ValueError(f"invalid port: {text!r}")
            ports.append(int(text))
    return ports


async def serve_forward(
    env: Env, request: Request, url: str, ports: Sequence[int], *, pod: str
) -> Reply:
    """Upgrade `request` to the runtime's port-forward at `url`.

    `ports` are those of the query, needed only by clients that use channels. `pod` names the pod
    in what these are told.
    """
    if is_spdy(request):
        return await pass_through(env, url, request, RUNTIME_FORWARD)
    if not is_websocket(request):
        return plain(400, "unable to upgrade: missing upgrade headers in request")
    if TUNNEL in protocols(request):
        return await tunnel_through(env, url, request)
    try:
        protocol, headers = handshake(request, FORWARD_WEBSOCKET)
    except HandshakeError as error:
        return plain(error.status, str(error))
    if not ports:
        return plain(400, 'query parameter "port" is required')

    async def run(stream: Stream) -> None:
        channels = Channels(WebSocket(stream), "base64." in protocol)
        with contextlib.suppress(ConnectionError, ApiError):
            async with running(await connect(env, url, RUNTIME_FORWARD[0])) as connection:
                await _serve_channels(channels, ports, connection, pod)
        await channels.close()

    return UpgradeResponse(run, headers)


class _Channel:
    """One channel of a WebSocket as a Stream. Channels cannot end on their own."""

    def __init__(self, channels: Channels, number: int, gate: Gate) -> None:
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


async def _serve_channels(
    channels: Channels, ports: Sequence[int], connection: SpdySession, pod: str
) -> None:
    """Port number n has its data on channel 2n and its errors on 2n+1; both begin with the port."""
    gate = Gate()
    parts = [_Channel(channels, number, gate) for number in range(2 * len(ports))]
    async with TaskGroup("port-forward") as group:
        try:
            for number, port in enumerate(ports):
                data, complaints = parts[2 * number], parts[2 * number + 1]
                for part in (data, complaints):
                    await part.write(port.to_bytes(2, "little"))
                headers = {"port": str(port), "requestID": str(number)}
                words = f"error forwarding port {port} to pod {pod}: "
                group.start(_forward(connection, headers, (data, complaints), words), str(port))
            while (message := await channels.receive()) is not None:
                channel, got = message
                if 0 <= channel < len(parts) and channel % 2 == 0:
                    parts[channel].inbox.feed(got)
                if gate.closed:
                    await gate.passed()
        finally:
            group.cancel()


async def _forward(
    connection: SpdySession, headers: dict[str, str], pair: tuple[Stream, Stream], words: str
) -> None:
    """One port's connection: `pair` is its data and its error stream."""
    stream, complaints = pair
    with contextlib.suppress(ConnectionError):
        error = await connection.open(headers | {"streamType": "error"}, finished=True)
        data = await connection.open(headers | {"streamType": "data"})
        async with TaskGroup("forward") as group:
            complaint = group.start(read_all(error), "error")
            await join(stream, data)  # channels cannot half-close
            text = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_COMPLAINT_TIMEOUT):
                    text = await complaint
        if text:
            await complaints.write(words.encode() + text)
