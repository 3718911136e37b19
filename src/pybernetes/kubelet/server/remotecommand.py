# SPDX-License-Identifier: Apache-2.0
"""Exec and attach: SPDY/3.1 is passed through, a WebSocket (v5, v4, pre-v4, base64) is bridged.

They go to the runtime's streaming server, which alone knows how (any CRI runtime has one). Of the
time that output takes, containerd and its shim use most (benchmarks/streams.py). containerd 1.6
speaks up to v4 of the protocol, over SPDY/3.1; each URL that CRI hands out is good for one connection.
"""

import contextlib
import urllib.parse
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError, bad_request, internal
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.channels import Channels
from pybernetes.kubelet.server.protocols import (
    EXEC_WEBSOCKET,
    PROTOCOL_HEADER,
    RUNTIME_EXEC,
    choose_spdy,
    choose_websocket,
    encode_failure,
    encode_status,
)
from pybernetes.wire.client import HttpPool
from pybernetes.wire.joint import copy, join
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import (
    ClientReply,
    Reply,
    Request,
    Response,
    Stream,
    Upgraded,
    UpgradeResponse,
)
from pybernetes.wire.websocket import WebSocket

EXECUTING = "executing command in container"
ATTACHING = "attaching to container"
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)  # channels


def stream_options(query: dict[str, list[str]]) -> Streams:
    """Which streams the query asks for. Raises ApiError with upstream's words if none."""

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
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return streams


async def serve_session(
    env: Env, request: Request, url: str, streams: Streams, *, action: str
) -> Reply:
    """Upgrade `request` to the runtime's session at `url`; `action` words its failure.

    Raises Refusal, ApiError.
    """
    if request.upgrade == "spdy/3.1":
        return await _pass_through(env, url, request, RUNTIME_EXEC)
    protocol, headers = choose_websocket(request, EXEC_WEBSOCKET)

    async def run(stream: Stream) -> None:
        channels = Channels(WebSocket(stream), protocol, range(5))
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


async def _status(
    env: Env, url: str, streams: Streams, channels: Channels, *, action: str
) -> bytes:
    """Serve the session to its end; the Status that ends it, as v4 of the protocol has it."""
    try:
        connection = await _connect(env, url, RUNTIME_EXEC[0])
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
        STDERR: ("stderr", streams.stderr),
        RESIZE: ("resize", streams.tty),
    }
    # Finished at once: what reaches a runtime that has closed makes its kernel drop unsent output.
    error = await connection.open({"streamType": "error"}, finished=True)
    theirs = {
        number: await connection.open({"streamType": name})
        for number, (name, wanted) in asked.items()
        if wanted
    }
    outputs = [number for number in (STDOUT, STDERR) if number in theirs]
    await channels.send([*outputs, ERROR][0], b"")  # the session is up
    async with TaskGroup("bridge") as group:
        group.start(_listen(channels, connection), "client")
        for number, part in channels.parts.items():
            if number in theirs and number not in outputs:
                group.start(_hand_on(part, theirs[number]), str(number))
            else:
                await part.close()  # what is said there is dropped
        draining = [
            group.start(_arrives(theirs[number], channels.parts[number]), str(number))
            for number in outputs
        ]
        words = await _read_all(error)
        whole = [await task for task in draining]
        group.cancel()
    if not words or not all(whole):
        raise ConnectionResetError("the runtime or the client is gone")
    return words


async def _arrives(said: Stream, to: Stream) -> bool:
    """Whether all of it did."""
    with contextlib.suppress(ConnectionError):
        await copy(said, to)
        return True
    return False


async def _listen(channels: Channels, to: SpdySession) -> None:
    """Once the client is gone, the session is over."""
    await channels.listen()
    await to.close()


async def _hand_on(said: Stream, to: Stream) -> None:
    with contextlib.suppress(ConnectionError):  # who is read no more may still write
        await copy(said, to)
        await to.close_write()
    await said.close()


# The runtime's streaming server, as a client sees it.


async def _ask(env: Env, url: str, protocol: str) -> ClientReply:
    """POST to `url` with an upgrade to SPDY. Raises ApiError if the runtime is not there."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ApiError(501, "NotImplemented", f"unsupported streaming URL of the runtime: {url}")
    headers = {"upgrade": "SPDY/3.1", PROTOCOL_HEADER.lower(): protocol}
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


async def _connect(env: Env, url: str, protocol: str) -> SpdySession:
    """A SPDY session with the runtime. Raises ApiError with what it said instead."""
    reply = await _ask(env, url, protocol)
    if isinstance(reply, Upgraded):
        return SpdySession(reply.stream, server=False)
    text = reply.body.decode(errors="replace").strip() if isinstance(reply, Response) else ""
    raise ApiError(500, "InternalError", f"unable to upgrade connection: {text}")


async def _read_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def _pass_through(env: Env, url: str, request: Request, supported: Sequence[str]) -> Reply:
    """Answer a SPDY request with the runtime's own connection. Raises Refusal, ApiError."""
    protocol, headers = choose_spdy(request, supported)
    reply = await _ask(env, url, protocol)
    if not isinstance(reply, Upgraded):
        return reply
    backend = reply.stream

    async def run(stream: Stream) -> None:
        await join(stream, backend)

    return UpgradeResponse(run, headers)
