# SPDX-License-Identifier: Apache-2.0
"""Port-forward over SPDY/3.1, bare or in a WebSocket tunnel, and over a WebSocket's channels.

Each connection is a pair of streams, one for data and one for what went wrong. Its halves end on
their own, in both directions; a reset of the client's or of the pod's side ends both; the end of
the client's connection ends all. Source: k8s.io/cri-streaming/pkg/streaming/portforward.

The kubelet dials from inside the pod's network namespace itself. The runtime's streaming server
would do the same, but worse: containerd 1.6 gives up one second after either half of a connection
ended (a client that half-closes lost most of a long answer), and its hop cost as much CPU as ours.
The namespace is in the verbose status of every sandbox, of containerd and CRI-O alike.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Protocol

from pybernetes.apimachinery.errors import bad_request
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server.channels import Channels
from pybernetes.kubelet.server.protocols import (
    FORWARD,
    FORWARD_WEBSOCKET,
    TUNNEL,
    choose_spdy,
    choose_websocket,
    plain,
)
from pybernetes.linux.namespaces import tcp_socket
from pybernetes.wire.client import dial_error
from pybernetes.wire.joint import copy
from pybernetes.wire.spdy import SpdySession, SpdyStream
from pybernetes.wire.stream import connect
from pybernetes.wire.types import Reply, Request, Stream, UpgradeResponse
from pybernetes.wire.websocket import (
    WebSocket,
    WebSocketStream,
)

_PAIRING = 30.0  # seconds for the second stream of a pair
_DIALLING = 30.0
_LOOPBACKS = (("IPv4", socket.AF_INET, "127.0.0.1"), ("IPv6", socket.AF_INET6, "[::1]"))


class PodPorts:
    """The ports of the pod called `pod`, whose network namespace is the file `namespace`.

    "" is the node's own namespace (hostNetwork).
    """

    def __init__(self, env: Env, pod: str, namespace: str) -> None:
        self.pod = pod
        self._env = env
        self._namespace = namespace

    async def dial(self, port: int) -> Stream:
        """A connection to localhost:`port`. Raises ConnectionError in upstream's words."""
        refusals = []
        for name, family, host in _LOOPBACKS:
            try:
                async with asyncio.timeout(_DIALLING):
                    return await connect(await self._socket(family), (host.strip("[]"), port))
            except OSError as error:
                refusals.append(f"{name}: dial tcp {host}:{port}: {dial_error(error)}")
        where = f'inside namespace "{self._namespace}"' if self._namespace else "on the node"
        raise ConnectionError(
            f"failed to connect to localhost:{port} {where}, {' '.join(refusals)}"
        )

    async def _socket(self, family: socket.AddressFamily) -> socket.socket:
        if self._namespace:
            return await self._env.offload.run(tcp_socket, self._namespace, family)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock


def forward_ports(query: dict[str, list[str]]) -> list[int]:
    """The ports of a WebSocket's query. Raises ApiError with upstream's words."""
    ports = []
    for value in query.get("port", []):
        for text in value.split(","):
            if not text.isdigit() or not 0 < int(text) < 65536:
                raise bad_request(f"invalid port: {text!r}")
            ports.append(int(text))
    return ports


def serve_forward(request: Request, inside: PodPorts, ports: Sequence[int]) -> Reply:
    """Upgrade `request` to connections `inside` a pod. Raises Refusal.

    `ports` are those of the query, needed only by clients that use channels.
    """
    if request.upgrade == "spdy/3.1":
        _, headers = choose_spdy(request, FORWARD)
        return UpgradeResponse(lambda stream: _serve_spdy(stream, inside), headers)
    protocol, headers = choose_websocket(request, FORWARD_WEBSOCKET)
    if protocol != TUNNEL and not ports:
        return plain(400, 'query parameter "port" is required')

    async def run(stream: Stream) -> None:
        socket = WebSocket(stream)
        if protocol == TUNNEL:
            await _serve_spdy(WebSocketStream(socket), inside)
        else:
            channels = Channels(socket, protocol, range(2 * len(ports)))
            await _serve_channels(channels, ports, inside)

    return UpgradeResponse(run, headers)


class _Client(Stream, Protocol):
    """The client's end of one connection."""

    was_reset: bool


async def _forward(inside: PodPorts, port: int, data: _Client, complaints: Stream) -> None:
    """One connection, from dialling to its end."""
    with contextlib.suppress(ConnectionError):
        try:
            pod = await inside.dial(port)
        except ConnectionError as error:
            words = f"error forwarding port {port} to pod {inside.pod}, uid : {error}"
            await complaints.write(words.encode())
        else:
            await _carry(data, pod)
        await complaints.close()
    await data.close()


async def _carry(client: _Client, pod: Stream) -> None:
    async def one_way(source: Stream, target: Stream) -> None:
        try:
            await copy(source, target)
            if client.was_reset:
                raise ConnectionResetError("the client is gone")
            await target.close_write()
        except ConnectionError:
            group.cancel()  # the other way is over as well

    try:
        async with TaskGroup("forward") as group:
            group.start(one_way(client, pod), "there")
            group.start(one_way(pod, client), "back")
    finally:
        await pod.close()


# SPDY: the client opens the two streams of each connection.


async def _serve_spdy(stream: Stream, inside: PodPorts) -> None:
    session = SpdySession(stream, server=True)
    first: dict[str, tuple[SpdyStream, asyncio.Future[SpdyStream]]] = {}  # by request id
    async with session.running(), TaskGroup("port-forward") as group:
        while (opened := await session.accept()) is not None:
            request = _request_id(opened)
            if not _is_valid(opened):
                await opened.close()
            elif request not in first:
                first[request] = opened, asyncio.get_running_loop().create_future()
                group.start(_serve_pair(first, request, inside), request)
            elif first[request][1].done() or _type(opened) == _type(first[request][0]):
                await opened.close()
            else:
                first[request][1].set_result(opened)
        group.cancel()


def _type(stream: SpdyStream) -> str:
    return stream.headers.get("streamtype", "")


def _is_valid(stream: SpdyStream) -> bool:
    port = stream.headers.get("port", "")
    in_range = port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    return in_range and _type(stream) in {"data", "error"}


def _request_id(stream: SpdyStream) -> str:
    """Clients too old to give one open the error stream first and the data stream right behind."""
    behind = 2 if _type(stream) == "data" else 0
    return stream.headers.get("requestid") or str(stream.id - behind)


async def _serve_pair(
    first: dict[str, tuple[SpdyStream, asyncio.Future[SpdyStream]]], request: str, inside: PodPorts
) -> None:
    stream, other = first[request]
    try:
        async with asyncio.timeout(_PAIRING):
            both = {_type(stream): stream, _type(second := await other): second}
    except TimeoutError:
        return await stream.close()
    finally:
        del first[request]
    return await _forward(inside, int(both["data"].headers["port"]), both["data"], both["error"])


# A WebSocket's channels: the query says which ports there are.


async def _serve_channels(channels: Channels, ports: Sequence[int], inside: PodPorts) -> None:
    """Port number n has its data on channel 2n and its errors on 2n+1; both begin with the port."""
    with contextlib.suppress(ConnectionError):
        async with TaskGroup("port-forward") as group:
            for number, port in enumerate(ports):
                data, complaints = channels.parts[2 * number], channels.parts[2 * number + 1]
                for part in (data, complaints):
                    await part.write(port.to_bytes(2, "little"))
                group.start(_forward(inside, port, data, complaints), str(port))
            await channels.listen()
            group.cancel()
    await channels.close()
