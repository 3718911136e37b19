# SPDX-License-Identifier: Apache-2.0
"""Exec and attach: SPDY/3.1 is passed through, a WebSocket (v5, v4, pre-v4, base64) is bridged.

They go to the runtime's streaming server, which alone knows how (any CRI runtime has one). Of the
time that output takes, containerd and its shim use most (benchmarks/streams.py).
"""

import contextlib

from pybernetes.apimachinery.errors import ApiError, bad_request, internal
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.channels import Channels
from pybernetes.kubelet.server.protocols import (
    EXEC_WEBSOCKET,
    RUNTIME_EXEC,
    choose_websocket,
    encode_failure,
    encode_status,
)
from pybernetes.kubelet.server.runtime import connect, pass_through, read_all
from pybernetes.wire.joint import copy
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import Reply, Request, Stream, UpgradeResponse
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
        return await pass_through(env, url, request, RUNTIME_EXEC)
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
        words = await read_all(error)
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
