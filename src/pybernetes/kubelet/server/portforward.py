# SPDX-License-Identifier: Apache-2.0
"""Port-forward for every client: SPDY/3.1, SPDY in a WebSocket tunnel, and channels of a WebSocket.

Source: k8s.io/kubelet/pkg/cri/streaming/portforward and k8s.io/streaming.
"""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server.protocols import (
    FORWARD_SPDY,
    FORWARD_WEBSOCKET,
    TUNNEL,
    choose_spdy,
    is_spdy,
    plain,
)
from pybernetes.kubelet.server.types import Forwarder
from pybernetes.kubelet.server.websession import Channels
from pybernetes.wire.spdy import SpdySession, SpdyStream
from pybernetes.wire.stream import Gate, Inbox
from pybernetes.wire.types import Reply, Request, Response, Stream, UpgradeResponse
from pybernetes.wire.websocket import (
    HandshakeError,
    WebSocket,
    WebSocketStream,
    handshake,
    is_websocket,
)

Forwarding = AbstractAsyncContextManager[Forwarder]


def forward_ports(query: dict[str, list[str]]) -> list[int]:
    """The ports of a WebSocket's query. Raises ValueError with upstream's words."""
    ports = []
    for value in query.get("port", []):
        for text in value.split(","):
            if not text.isdigit() or not 0 < int(text) < 65536:
                raise ValueError(f"invalid port: {text!r}")
            ports.append(int(text))
    return ports


def serve_forward(
    request: Request, ports: Sequence[int], forwarding: Forwarding, pod: str
) -> Reply:
    """Upgrade `request`; every stream of it goes through the Forwarder of `forwarding`.

    `ports` are those of the query, needed only by clients that use channels. `pod` names the pod
    in what clients are told.
    """
    if is_websocket(request):
        return _over_websocket(request, ports, forwarding, pod)
    if not is_spdy(request):
        return plain(400, "unable to upgrade: missing upgrade headers in request")
    chosen = choose_spdy(request, FORWARD_SPDY)
    if isinstance(chosen, Response):
        return chosen

    async def run(stream: Stream) -> None:
        await _serve_spdy(stream, forwarding, pod)

    return UpgradeResponse(run, chosen[1])


def _over_websocket(
    request: Request, ports: Sequence[int], forwarding: Forwarding, pod: str
) -> Reply:
    try:
        protocol, headers = handshake(request, FORWARD_WEBSOCKET)
    except HandshakeError as error:
        return plain(error.status, str(error))
    if protocol != TUNNEL and not ports:
        return plain(400, 'query parameter "port" is required')

    async def run(stream: Stream) -> None:
        socket = WebSocket(stream)
        if protocol == TUNNEL:
            await _serve_spdy(WebSocketStream(socket), forwarding, pod)
        else:
            channels = Channels(socket, "base64." in protocol)
            await _serve_channels(channels, ports, forwarding, pod)

    return UpgradeResponse(run, headers)


async def _complain(error: Exception, port: int, pod: str, stream: Stream) -> None:
    with contextlib.suppress(ConnectionError):
        await stream.write(f"error forwarding port {port} to pod {pod}: {error}".encode())


async def _forward(forward: Forwarder, port: int, pod: str, pair: tuple[Stream, Stream]) -> None:
    """One connection: `pair` is its data and its error stream."""
    data, complaints = pair
    try:
        await forward(port, data)
    except (OSError, ApiError) as error:
        await _complain(error, port, pod, complaints)
    finally:
        await complaints.close()
        await data.close()


async def _serve_spdy(stream: Stream, forwarding: Forwarding, pod: str) -> None:
    """The client opens an error and a data stream for each connection, with one requestID."""
    connection = SpdySession(stream, server=True)
    waiting: dict[str, dict[str, SpdyStream]] = {}
    async with forwarding as forward, TaskGroup("port-forward") as group:
        running = group.start(_run(connection), "connection")
        try:
            while (opened := await connection.accept()) is not None:
                kind = opened.headers.get("streamtype", "")
                port = opened.headers.get("port", "")
                if kind not in {"data", "error"} or not port.isdigit():
                    await opened.close()
                    continue
                pair = waiting.setdefault(_request_id(opened, kind), {})
                pair[kind] = opened
                if len(pair) == 2:
                    del waiting[_request_id(opened, kind)]
                    both = (pair["data"], pair["error"])
                    group.start(_forward(forward, int(port), pod, both), port)
        finally:
            group.cancel()
            running.cancel()
            await connection.close()


def _request_id(stream: SpdyStream, kind: str) -> str:
    """Old clients send none: they open the error stream, then at once the data stream."""
    return stream.headers.get("requestid") or str(stream.id if kind == "error" else stream.id - 2)


async def _run(connection: SpdySession) -> None:
    with contextlib.suppress(ConnectionError):
        await connection.run()


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
    channels: Channels, ports: Sequence[int], forwarding: Forwarding, pod: str
) -> None:
    """Port number n has its data on channel 2n and its errors on 2n+1; both begin with the port."""
    gate = Gate()
    parts = [_Channel(channels, number, gate) for number in range(2 * len(ports))]
    async with forwarding as forward, TaskGroup("port-forward") as group:
        try:
            for number, port in enumerate(ports):
                data, complaints = parts[2 * number], parts[2 * number + 1]
                for part in (data, complaints):
                    await part.write(port.to_bytes(2, "little"))
                group.start(_forward(forward, port, pod, (data, complaints)), str(port))
            await _listen(channels, parts, gate)
        except ConnectionError:
            return
        finally:
            group.cancel()
            await channels.close()


async def _listen(channels: Channels, parts: Sequence[_Channel], gate: Gate) -> None:
    while (message := await channels.receive()) is not None:
        channel, data = message
        if 0 <= channel < len(parts) and channel % 2 == 0:
            parts[channel].inbox.feed(data)
        if gate.closed:
            await gate.passed()
