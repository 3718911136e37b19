# SPDX-License-Identifier: Apache-2.0
"""Exec and attach for every client: WebSocket (v5, v4, pre-v4, base64) and SPDY/3.1 (v5 to v1)."""

from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.protocols import (
    EXEC_SPDY,
    EXEC_WEBSOCKET,
    choose_spdy,
    is_spdy,
    plain,
)
from pybernetes.kubelet.server.spdysession import SpdyExecSession
from pybernetes.kubelet.server.types import Executor
from pybernetes.kubelet.server.websession import WebSession
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import Reply, Request, Response, Stream, UpgradeResponse
from pybernetes.wire.websocket import HandshakeError, WebSocket, handshake, is_websocket

EXECUTING = "executing command in container"
ATTACHING = "attaching to container"


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


def serve_session(request: Request, streams: Streams, execute: Executor, action: str) -> Reply:
    """Upgrade `request` and let `execute` serve it."""
    if is_websocket(request):
        return _over_websocket(request, streams, execute, action)
    if is_spdy(request):
        return _over_spdy(request, streams, execute, action)
    return plain(400, "unable to upgrade: missing upgrade headers in request")


def _over_websocket(request: Request, streams: Streams, execute: Executor, action: str) -> Reply:
    try:
        protocol, headers = handshake(request, EXEC_WEBSOCKET)
    except HandshakeError as error:
        return plain(error.status, str(error))

    async def run(stream: Stream) -> None:
        await WebSession(WebSocket(stream), streams, protocol).serve(execute, action)

    return UpgradeResponse(run, headers)


def _over_spdy(request: Request, streams: Streams, execute: Executor, action: str) -> Reply:
    chosen = choose_spdy(request, EXEC_SPDY)
    if isinstance(chosen, Response):
        return chosen
    protocol, headers = chosen

    async def run(stream: Stream) -> None:
        connection = SpdySession(stream, server=True)
        await SpdyExecSession(connection, streams, protocol).serve(execute, action)

    return UpgradeResponse(run, headers)
