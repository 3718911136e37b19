# SPDX-License-Identifier: Apache-2.0
"""The runtime's streaming server as a client sees it: SPDY/3.1 to the URL that CRI handed out.

containerd 1.6 speaks up to v4 of the exec protocol; each URL is good for one connection. A client
that speaks SPDY itself is passed through, byte for byte; for the others a session is bridged.
"""

import asyncio
import contextlib
import json
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server.protocols import (
    PROTOCOL_HEADER,
    TUNNEL,
    choose_spdy,
    exit_of,
    plain,
)
from pybernetes.kubelet.server.types import Executor, Forwarder, Session
from pybernetes.wire.client import HttpPool
from pybernetes.wire.joint import join
from pybernetes.wire.spdy import SpdySession, SpdyStream
from pybernetes.wire.types import (
    ClientReply,
    Reply,
    Request,
    Response,
    Stream,
    Upgraded,
    UpgradeResponse,
)
from pybernetes.wire.websocket import HandshakeError, WebSocket, WebSocketStream, handshake

Writer = Callable[[bytes], Awaitable[None]]
RUNTIME_EXEC = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_COMPLAINT_TIMEOUT = 5.0  # the runtime ends the error stream just after the data
RUNTIME_FORWARD = ("portforward.k8s.io",)


async def _ask(env: Env, url: str, protocol: str) -> ClientReply:
    """POST to `url` with an upgrade to SPDY. Raises ApiError if the runtime is not there."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ApiError(501, "NotImplemented", f"unsupported streaming URL of the runtime: {url}")
    headers = {"upgrade": "SPDY/3.1"}
    if protocol:
        headers[PROTOCOL_HEADER.lower()] = protocol
    path = parts.path or "/"
    request = Request("POST", path, path, parts.query, headers)
    pool = HttpPool(env, parts.hostname, parts.port or 80)
    try:
        reply = await pool.send(request, timeout=30)
    except ConnectionError as error:
        raise ApiError(500, "InternalError", f"error dialing backend: {error}") from error
    if not isinstance(reply, Upgraded):
        await pool.close()
    return reply


async def connect(env: Env, url: str, protocol: str) -> SpdySession:
    """A SPDY session with the runtime. Raises ApiError with what it said instead."""
    reply = await _ask(env, url, protocol)
    if isinstance(reply, Upgraded):
        return SpdySession(reply.stream, server=False)
    text = reply.body.decode(errors="replace").strip() if isinstance(reply, Response) else ""
    raise ApiError(500, "InternalError", f"unable to upgrade connection: {text}")


async def pass_through(env: Env, url: str, request: Request, supported: Sequence[str]) -> Reply:
    """Answer a SPDY request with the runtime's own connection."""
    chosen = choose_spdy(request, supported)
    if isinstance(chosen, Response):
        return chosen
    reply = await _ask(env, url, chosen[0])
    if not isinstance(reply, Upgraded):
        return reply
    backend = reply.stream

    async def run(stream: Stream) -> None:
        await join(stream, backend)

    return UpgradeResponse(run, chosen[1])


async def tunnel_through(env: Env, url: str, request: Request) -> Reply:
    """Answer a WebSocket that carries SPDY with the runtime's own port-forward connection."""
    try:
        _, headers = handshake(request, (TUNNEL,))
    except HandshakeError as error:
        return plain(error.status, str(error))
    reply = await _ask(env, url, RUNTIME_FORWARD[0])
    if not isinstance(reply, Upgraded):
        return reply
    backend = reply.stream

    async def run(stream: Stream) -> None:
        await join(WebSocketStream(WebSocket(stream)), backend)

    return UpgradeResponse(run, headers)


def runtime_executor(env: Env, url: str) -> Executor:
    """Serves a session through the runtime's exec or attach at `url`."""

    async def execute(session: Session) -> int:
        connection = await connect(env, url, RUNTIME_EXEC[0])
        async with TaskGroup("runtime") as group:
            group.start(_run(connection), "connection")
            try:
                status = await _bridge(connection, session)
            finally:
                await connection.close()
        return exit_of(status)

    return execute


async def _run(connection: SpdySession) -> None:
    with contextlib.suppress(ConnectionError):
        await connection.run()


async def _bridge(connection: SpdySession, session: Session) -> bytes:
    """Move the bytes until both outputs and the error stream have ended; the latter's words."""
    asked = session.streams
    error = await connection.open({"streamType": "error"})
    async with TaskGroup("bridge") as group:
        background = []
        if asked.stdin:
            stdin = await connection.open({"streamType": "stdin"})
            background.append(group.start(_feed(session, stdin), "stdin"))
        outputs = []
        if asked.stdout:
            stdout = await connection.open({"streamType": "stdout"})
            outputs.append(group.start(_drain(stdout, session.write_stdout), "stdout"))
        if asked.stderr and not asked.tty:
            stderr = await connection.open({"streamType": "stderr"})
            outputs.append(group.start(_drain(stderr, session.write_stderr), "stderr"))
        if asked.tty:
            resize = await connection.open({"streamType": "resize"})
            background.append(group.start(_resize(session, resize), "resize"))
        await error.close_write()
        words = await _all(error)
        for output in outputs:
            await output
        for task in background:
            task.cancel()
    return words


async def _all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def _feed(session: Session, stdin: SpdyStream) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await session.read_stdin():
            await stdin.write(data)
        await stdin.close_write()


async def _drain(stream: SpdyStream, write: Writer) -> None:
    while data := await stream.read():
        await write(data)


async def _resize(session: Session, resize: SpdyStream) -> None:
    with contextlib.suppress(ConnectionError):
        while (size := await session.next_size()) is not None:
            message = json.dumps({"Width": size.width, "Height": size.height})
            await resize.write(message.encode())


@contextlib.asynccontextmanager
async def runtime_forwarder(env: Env, url: str) -> AsyncIterator[Forwarder]:
    """A Forwarder through the runtime's port-forward at `url`; ports share the connection."""
    connection = await connect(env, url, RUNTIME_FORWARD[0])
    requests = iter(range(1 << 31))

    async def forward(port: int, stream: Stream) -> None:
        headers = {"port": str(port), "requestID": str(next(requests))}
        error = await connection.open(headers | {"streamType": "error"}, finished=True)
        data = await connection.open(headers | {"streamType": "data"})
        async with TaskGroup("forward") as group:
            complaint = group.start(_all(error), "error")
            await join(stream, data, half_close=True)
            try:
                async with asyncio.timeout(_COMPLAINT_TIMEOUT):
                    text = await complaint
            except TimeoutError:
                text = b""
        if text:
            raise OSError(text.decode(errors="replace"))

    async with TaskGroup("runtime") as group:
        group.start(_run(connection), "connection")
        try:
            yield forward
        finally:
            await connection.close()
