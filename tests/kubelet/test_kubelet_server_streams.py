# SPDX-License-Identifier: Apache-2.0
"""Exec, attach and port-forward through the kubelet's listener, as each kind of client does it.

Every client is tried against a session served directly (a hollow node) and against a runtime's
streaming server behind a URL, which our own SPDY server plays.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.kubelet.server.portforward import serve_forward
from pybernetes.kubelet.server.remotecommand import EXECUTING, serve_session, stream_options
from pybernetes.kubelet.server.types import Session
from pybernetes.wire.client import HttpPool
from pybernetes.wire.server import serve
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import Reply, Request, Stream, Upgraded
from pybernetes.wire.websocket import WebSocket, WebSocketStream, check_answer, client_headers

POD = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u1"},
    "spec": {"containers": [{"name": "c"}]},
}
SPDY = {"upgrade": "SPDY/3.1", "x-stream-protocol-version": "v4.channel.k8s.io, v3.channel.k8s.io"}


async def shell(session: Session) -> int:
    """Upper-cases its input; complains on stderr; tells the terminal's size; exits with 7."""
    if session.streams.tty:
        size = await session.next_size()
        await session.write_stdout(f"{size.width}x{size.height}".encode())
        return 0
    while data := await session.read_stdin():
        if data == b"quit":
            break
        await session.write_stdout(data.upper())
    await session.write_stderr(b"bye")
    return 7


async def shout(port: int, stream: Stream) -> None:
    if port != 80:
        raise ConnectionRefusedError("connection refused")
    while data := await stream.read():
        await stream.write(data.upper())
    await stream.close_write()


class Node:
    """A NodeApi whose exec and port-forward are given."""

    node_name = "n1"

    def __init__(self, execute, forward) -> None:
        self.execute = execute
        self.forward = forward

    def pod(self, namespace: str, name: str):
        return POD if (namespace, name) == ("default", "web") else None

    async def exec(self, pod, container, command, streams):
        if command == ["missing"]:
            raise ApiError(500, "InternalError", "no such command")
        return self.execute

    attach = None

    async def port_forward(self, pod, ports):
        return self.forward


async def allow(request: Request, names: list[str]) -> None:
    assert names == ["proxy"]


def runtime(request: Request) -> Reply:
    """A runtime's streaming server."""
    assert request.headers["upgrade"] == "SPDY/3.1"
    if request.path == "/exec":
        streams = stream_options(
            {"stdin": ["1"], "stdout": ["1"], "stderr": ["1"], "tty": [request.query]}
        )
        return serve_session(request, streams, shell, EXECUTING)
    return serve_forward(request, [], contextlib.nullcontext(shout), "web")


@pytest.fixture(params=["direct", "runtime"])
async def pool(request):
    env = Env()
    streaming = await serve(env, runtime)
    base = f"http://127.0.0.1:{streaming.port}"
    direct = request.param == "direct"
    node = Node(shell if direct else base + "/exec?", shout if direct else base + "/forward")
    server = await serve(env, KubeletServer(env, node, allow).handler)
    pool = HttpPool(env, "127.0.0.1", server.port)
    pool.node = node
    pool.tty_url = base + "/exec?1"
    pool.opened = []
    yield pool
    for stream in pool.opened:
        await stream.close()
    await pool.close()
    await server.close()
    await streaming.close()


def ask(path: str, query: str, headers: dict[str, str]) -> Request:
    method = "GET" if headers["upgrade"] == "websocket" else "POST"
    return Request(method, path, path, query, headers)


EXEC = "/exec/default/web/c"
ALL = "command=sh&input=1&output=1&error=1"


async def websocket(pool: HttpPool, path: str, query: str, *offered: str) -> WebSocket:
    headers = client_headers(Random(1), offered)
    reply = await pool.send(ask(path, query, headers))
    assert isinstance(reply, Upgraded), reply
    pool.opened.append(reply.stream)
    chosen = check_answer(headers, reply.headers)
    return WebSocket(reply.stream, masks=Random(2), subprotocol=chosen)


@contextlib.asynccontextmanager
async def spdy(pool: HttpPool, path: str, query: str, headers=SPDY) -> AsyncIterator[SpdySession]:
    reply = await pool.send(ask(path, query, headers))
    assert isinstance(reply, Upgraded), reply
    async with over(reply.stream) as session:
        yield session


@contextlib.asynccontextmanager
async def over(stream: Stream) -> AsyncIterator[SpdySession]:
    session = SpdySession(stream, server=False)
    async with TaskGroup("client") as group:
        group.start(session.run(), "run")
        yield session
        await session.close()


async def read_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def collect(socket: WebSocket) -> dict[int, bytes]:
    """Everything each channel says until the end."""
    said: dict[int, bytes] = {}
    while (message := await socket.receive()) is not None:
        said[message[0]] = said.get(message[0], b"") + message[1:]
    return said


def exit_code(status: bytes) -> str:
    parsed = json.loads(status)
    assert (parsed["status"], parsed["reason"]) == ("Failure", "NonZeroExitCode")
    return parsed["details"]["causes"][0]["message"]


async def test_exec_over_websocket_v5_with_half_close(pool):
    socket = await websocket(pool, EXEC, ALL, "v5.channel.k8s.io", "v4.channel.k8s.io")
    assert socket.subprotocol == "v5.channel.k8s.io"
    assert await socket.receive() == b"\x01"  # the session is up
    await socket.send(b"hello", b"\x00")
    assert await socket.receive() == b"\x01HELLO"
    await socket.send(b"\x00", b"\xff")  # close stdin
    said = await collect(socket)
    assert said[2] == b"bye"
    assert exit_code(said[3]) == "7"
    assert socket.close_code == 1000


async def test_exec_over_websocket_base64(pool):
    socket = await websocket(pool, EXEC, ALL, "v4.base64.channel.k8s.io")
    await socket.send("0" + base64.b64encode(b"quit").decode())
    said: dict[str, bytes] = {}
    while (message := await socket.receive()) is not None:
        said[message[0]] = said.get(message[0], b"") + base64.b64decode(message[1:])
    assert said["2"] == b"bye"
    assert exit_code(said["3"]) == "7"


async def test_exec_over_spdy(pool):
    async with spdy(pool, EXEC, ALL) as session:
        parts = {
            name: await session.open({"streamType": name})
            for name in ("error", "stdin", "stdout", "stderr")
        }
        await parts["stdin"].write(b"a" * 300_000)
        await parts["stdin"].close_write()
        assert await read_all(parts["stdout"]) == b"A" * 300_000
        assert await read_all(parts["stderr"]) == b"bye"
        assert exit_code(await read_all(parts["error"])) == "7"


@pytest.mark.parametrize("kind", ["websocket", "spdy"])
async def test_terminals_are_told_their_size(pool, kind):
    if isinstance(pool.node.execute, str):
        pool.node.execute = pool.tty_url
    size = b'{"Width":80,"Height":24}'
    query = ALL + "&tty=1"
    if kind == "websocket":
        socket = await websocket(pool, EXEC, query, "v5.channel.k8s.io")
        await socket.send(size, b"\x04")
        said = await collect(socket)
        assert said[1] == b"80x24"
        assert json.loads(said[3])["status"] == "Success"
        return
    async with spdy(pool, EXEC, query) as session:
        parts = {
            name: await session.open({"streamType": name})
            for name in ("error", "stdin", "stdout", "resize")
        }
        await parts["resize"].write(size)
        assert await read_all(parts["stdout"]) == b"80x24"


@pytest.mark.parametrize("pool", ["direct"], indirect=True)
async def test_a_client_that_leaves_ends_the_executor(pool):
    ended = asyncio.Event()

    async def endless(session: Session) -> int:
        try:
            return await asyncio.Event().wait()
        finally:
            ended.set()

    pool.node.execute = endless
    socket = await websocket(pool, EXEC, ALL, "v5.channel.k8s.io")
    await socket.receive()
    await socket._stream.close()
    async with asyncio.timeout(2):
        await ended.wait()


@pytest.mark.parametrize("pool", ["direct"], indirect=True)
async def test_a_failing_executor_is_told_in_the_status(pool):
    async def fails(session: Session) -> int:
        raise ApiError(500, "InternalError", "the container is gone")

    pool.node.execute = fails
    said = await collect(await websocket(pool, EXEC, ALL, "v5.channel.k8s.io"))
    assert json.loads(said[3])["message"] == "the container is gone"


@pytest.mark.parametrize(
    ("path", "query", "headers", "status", "text"),
    [
        ("/exec/default/web/x", ALL, SPDY, 500, b'container not found ("x")\n'),
        ("/exec/default/none/c", ALL, SPDY, 404, b"pod does not exist\n"),
        ("/exec/default/web/u2/c", ALL, SPDY, 404, b"pod does not exist\n"),
        (EXEC, "command=sh", SPDY, 400, b"you must specify at least 1 of stdin, stdout, stderr\n"),
        (EXEC, ALL.replace("sh", "missing"), SPDY, 500, b"no such command\n"),
        (EXEC, ALL, SPDY | {"x-stream-protocol-version": "v9"}, 403, None),
        ("/portForward/default/web", "port=x", SPDY, 400, None),
    ],
)
async def test_refusals(pool, path, query, headers, status, text):
    reply = await pool.send(ask(path, query, headers))
    assert reply.status == status
    assert text is None or reply.body == text


async def forward_once(session: SpdySession, request: int, port: str) -> tuple[bytes, bytes]:
    headers = {"port": port, "requestID": str(request)}
    error = await session.open(headers | {"streamType": "error"}, finished=True)
    data = await session.open(headers | {"streamType": "data"})
    with contextlib.suppress(ConnectionError):
        await data.write(b"question")
        await data.close_write()
    return await read_all(data), await read_all(error)


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_port_forward(pool, tunnelled):
    path = "/portForward/default/web"
    if tunnelled:
        socket = await websocket(pool, path, "", "SPDY/3.1+portforward.k8s.io")
        context = over(WebSocketStream(socket))
    else:
        context = spdy(pool, path, "", SPDY | {"x-stream-protocol-version": "portforward.k8s.io"})
    async with context as session:
        for request in range(3):
            assert await forward_once(session, request, "80") == (b"QUESTION", b"")
        answer, complaint = await forward_once(session, 9, "81")
        assert answer == b""
        assert b"error forwarding port 81 to pod" in complaint
        assert b"connection refused" in complaint


async def test_port_forward_over_websocket_channels(pool):
    socket = await websocket(pool, "/portForward/default/web", "port=80", "v4.channel.k8s.io")
    assert [await socket.receive(), await socket.receive()] == [b"\x00\x50\x00", b"\x01\x50\x00"]
    await socket.send(b"abc", b"\x00")
    assert await socket.receive() == b"\x00ABC"
    await socket.close()
