# SPDX-License-Identifier: Apache-2.0
"""Exec, attach and port-forward through the kubelet's listener, as each kind of client does it.

The runtime's streaming server, behind the URLs that CRI hands out, is played by our own SPDY; the
pod is on the host's network, its port that of a real listener.
"""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.kubelet.server import portforward
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.kubelet.server.protocols import RUNTIME_EXEC, choose_spdy
from pybernetes.wire.client import HttpPool
from pybernetes.wire.server import serve
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import Reply, Request, Stream, Upgraded, UpgradeResponse
from pybernetes.wire.websocket import WebSocket, WebSocketStream
from tests.wire.websocketclient import check_answer, client_headers

POD = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u1"},
    "spec": {"containers": [{"name": "c"}]},
}
SPDY = {"upgrade": "SPDY/3.1", "x-stream-protocol-version": "v4.channel.k8s.io, v3.channel.k8s.io"}


FAILED = {
    "status": "Failure",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


class Runtime:
    """A runtime's streaming server: a shell."""

    def __init__(self) -> None:
        self.left = asyncio.Event()  # a client went away before the end
        self.poured = 0

    async def handler(self, request: Request) -> Reply:
        _, headers = choose_spdy(request, RUNTIME_EXEC)

        async def run(stream: Stream) -> None:
            session = SpdySession(stream, server=True)
            async with TaskGroup("runtime") as group:
                group.start(session.run(), "run")
                with contextlib.suppress(ConnectionError):
                    await self._shell(session, request.query)
                await session.close()

        return UpgradeResponse(run, headers)

    async def _shell(self, session: SpdySession, what: str) -> None:
        """Upper-cases its input; complains on stderr; tells the terminal's size; exits with 7."""
        names = {"error", "stdin", "stdout", "resize" if what == "tty" else "stderr"}
        parts = {}
        while set(parts) != names:
            stream = await session.accept()
            assert stream is not None
            parts[stream.headers["streamtype"]] = stream
        try:
            status = await self._work(parts, what)
        except ConnectionError:
            self.left.set()
            raise
        for name in sorted(names & {"stdout", "stderr"}):
            await parts[name].close_write()
        await parts["error"].write(json.dumps(status).encode())
        await parts["error"].close_write()
        await session.accept()  # the client hangs up

    async def _work(self, parts, what):
        if what == "crash":
            await parts["stdout"].write(b"half of ")
            raise ConnectionResetError
        while what == "pour":
            await parts["stdout"].write(bytes(100_000))
            self.poured += 100_000
        if what == "fail":
            return {"status": "Failure", "message": "the container is gone"}
        if what == "tty":
            size = json.loads(await parts["resize"].read())
            await parts["stdout"].write(f"{size['Width']}x{size['Height']}".encode())
            return {"metadata": {}, "status": "Success"}
        while (data := await parts["stdin"].read()) not in (b"", b"quit"):
            await parts["stdout"].write(data.upper())
        await parts["stderr"].write(b"bye")
        return FAILED


class Node:
    """A NodeApi whose streams are a Runtime's."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.shell = ""

    def pod(self, namespace: str, name: str):
        return POD if (namespace, name) == ("default", "web") else None

    async def exec(self, pod, container, command, streams):
        if command == ["missing"]:
            raise ApiError(500, "InternalError", "no such command")
        return f"{self.base}/exec?{self.shell}"

    async def network_namespace(self, pod):
        return ""


async def allow(request: Request, names: list[str]) -> None:
    assert names == ["proxy"]


@pytest.fixture
async def pool():
    env, runtime = Env(), Runtime()
    streaming = await serve(env, runtime.handler)
    node = Node(f"http://127.0.0.1:{streaming.port}")
    server = await serve(env, KubeletServer(env, node, allow).handler)
    pool = HttpPool(env, "127.0.0.1", server.port)
    pool.node, pool.runtime, pool.opened = node, runtime, []
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
FORWARD = "/portForward/default/web"
ALL = "command=sh&input=1&output=1&error=1"


async def websocket(pool: HttpPool, path: str, query: str, *offered: str) -> WebSocket:
    headers = client_headers(Random(1), offered)
    reply = await pool.send(ask(path, query, headers))
    assert isinstance(reply, Upgraded), reply
    pool.opened.append(reply.stream)
    socket = WebSocket(reply.stream, masks=Random(2))
    socket.subprotocol = check_answer(headers, reply.headers)
    return socket


@contextlib.asynccontextmanager
async def spdy(pool: HttpPool, path: str, query: str, headers=SPDY) -> AsyncIterator[SpdySession]:
    reply = await pool.send(ask(path, query, headers))
    assert isinstance(reply, Upgraded), reply
    pool.opened.append(reply.stream)
    async with over(reply.stream) as session:
        yield session


@contextlib.asynccontextmanager
async def over(stream: Stream) -> AsyncIterator[SpdySession]:
    session = SpdySession(stream, server=False)
    async with session.running():
        yield session


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
    pool.node.shell = "tty"
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


async def test_a_client_that_leaves_ends_the_session(pool):
    socket = await websocket(pool, EXEC, ALL, "v5.channel.k8s.io")
    await socket.receive()
    await socket._stream.close()
    async with asyncio.timeout(30):
        await pool.runtime.left.wait()


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "channel.k8s.io"])
async def test_a_failure_is_told_as_the_protocol_has_it(pool, protocol):
    pool.node.shell = "fail"
    words = (await collect(await websocket(pool, EXEC, ALL, protocol)))[3]
    if protocol.startswith("v4"):
        words = json.loads(words)["message"].encode()
    assert words == b"the container is gone"


async def test_output_that_breaks_off_is_no_success(pool):
    pool.node.shell = "crash"
    said = await collect(await websocket(pool, EXEC, ALL, "v5.channel.k8s.io"))
    assert said[1] == b"half of "
    assert "connection to the container broke" in json.loads(said[3])["message"]


async def test_a_runtime_that_is_gone_is_told_in_the_status(pool):
    pool.node.base = "http://127.0.0.1:1"
    said = await collect(await websocket(pool, EXEC, ALL, "v5.channel.k8s.io"))
    assert "error dialing backend" in json.loads(said[3])["message"]


@pytest.mark.parametrize(
    ("path", "query", "headers", "status", "text"),
    [
        ("/exec/default/web/x", ALL, SPDY, 500, b'container not found ("x")\n'),
        ("/exec/default/none/c", ALL, SPDY, 404, b"pod does not exist\n"),
        ("/exec/default/web/u2/c", ALL, SPDY, 404, b"pod does not exist\n"),
        (EXEC, "command=sh", SPDY, 400, b"you must specify at least 1 of stdin, stdout, stderr\n"),
        (EXEC, ALL.replace("sh", "missing"), SPDY, 500, b"no such command\n"),
        (EXEC, ALL, SPDY | {"x-stream-protocol-version": "v9"}, 403, None),
        (
            FORWARD,
            "",
            {"upgrade": "SPDY/3.1"},
            400,
            b"unable to upgrade: X-Stream-Protocol-Version is required\n",
        ),
        ("/portForward/default/web", "port=x", SPDY, 400, None),
    ],
)
async def test_refusals(pool, path, query, headers, status, text):
    reply = await pool.send(ask(path, query, headers))
    assert reply.status == status
    assert text is None or reply.body == text


class Port:
    """A port of the pod: says what it heard in upper case once the client has finished."""

    def __init__(self) -> None:
        self.connections = 0
        self.ended = asyncio.Event()  # a connection broke off

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            writer.write(b"welcome ")
            writer.write((await reader.read()).upper())
            writer.write_eof()
            await reader.read()
        except OSError:
            pass
        self.ended.set()
        writer.close()


@pytest.fixture
async def port():
    port = Port()
    server = await asyncio.start_server(port.answer, "127.0.0.1", 0)
    port.number = server.sockets[0].getsockname()[1]
    yield port
    server.close()


async def test_an_upgrade_needs_both_its_headers(pool):
    """Else the listener would not hand over, and the runtime's side stay open."""
    server = KubeletServer(Env(), pool.node, allow)
    for wrong in ({}, {"connection": "keep-alive, x-upgrade"}):
        reply = await server.handler(ask(EXEC, ALL, SPDY | wrong))
        assert reply.status == 400


async def pair(session: SpdySession, request: int, port: int) -> tuple[Stream, Stream]:
    headers = {"port": str(port), "requestID": str(request)}
    error = await session.open(headers | {"streamType": "error"}, finished=True)
    return await session.open(headers | {"streamType": "data"}), error


async def forward_once(session: SpdySession, request: int, port: int) -> tuple[bytes, bytes]:
    data, error = await pair(session, request, port)
    with contextlib.suppress(ConnectionError):
        await data.write(b"question")
        await data.close_write()
    return await read_all(data), await read_all(error)


@contextlib.asynccontextmanager
async def forwarding(pool: HttpPool, tunnelled: bool) -> AsyncIterator[SpdySession]:
    if tunnelled:
        socket = await websocket(pool, FORWARD, "", "SPDY/3.1+portforward.k8s.io")
        context = over(WebSocketStream(socket))
    else:
        headers = SPDY | {"x-stream-protocol-version": "portforward.k8s.io"}
        context = spdy(pool, FORWARD, "", headers)
    async with context as session:
        yield session


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_port_forward_with_half_close(pool, port, tunnelled):
    async with forwarding(pool, tunnelled) as session:
        for request in range(3):
            assert await forward_once(session, request, port.number) == (b"welcome QUESTION", b"")
        answer, complaint = await forward_once(session, 9, 1)  # nobody listens there
        assert answer == b""
        assert complaint == (
            b"error forwarding port 1 to pod web_default, uid : failed to connect to localhost:1"
            b" on the node, IPv4: dial tcp 127.0.0.1:1: connect: connection refused"
            b" IPv6: dial tcp [::1]:1: connect: connection refused"
        )


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_a_forwarded_connection_ends_with_its_client(pool, port, tunnelled):
    """Reset while the pod says nothing, or with the whole client: the pod is told either way."""
    for whole in (False, True):
        port.ended.clear()
        async with forwarding(pool, tunnelled) as session:
            data, _ = await pair(session, 1, port.number)
            assert await data.read() == b"welcome "
            if not whole:
                await data.close()
                async with asyncio.timeout(30):
                    await port.ended.wait()
        async with asyncio.timeout(30):
            await port.ended.wait()


async def test_many_forwarded_connections_at_once(pool, port):
    async with forwarding(pool, tunnelled=True) as session, TaskGroup("many") as group:
        jobs = [
            group.start(forward_once(session, number, port.number), str(number))
            for number in range(100)
        ]
        assert {await job for job in jobs} == {(b"welcome QUESTION", b"")}
    assert port.connections == 100


async def test_streams_that_make_no_sense_are_reset(pool, port):
    async with forwarding(pool, tunnelled=False) as session:
        good = {"port": str(port.number), "streamType": "error"}
        for headers in ({}, good | {"port": "0"}, good | {"port": "x"}, good | {"streamType": "x"}):
            stream = await session.open(headers)
            assert await stream.read() == b""
            assert stream.was_reset
        assert await forward_once(session, 1, port.number) == (b"welcome QUESTION", b"")


async def test_a_stream_whose_other_never_comes_is_given_up(pool, port, monkeypatch):
    monkeypatch.setattr(portforward, "_PAIRING", 0.1)
    async with forwarding(pool, tunnelled=False) as session:
        headers = {"port": str(port.number), "streamType": "data", "requestID": "7"}
        lonely, double = await session.open(headers), await session.open(headers)
        assert await double.read() == b""  # there is one of its kind already
        assert await lonely.read() == b""
        assert await forward_once(session, 7, port.number) == (b"welcome QUESTION", b"")


async def test_clients_too_old_for_request_ids_are_served(pool, port):
    async with forwarding(pool, tunnelled=False) as session:
        headers = {"port": str(port.number)}
        await session.open(headers | {"streamType": "error"}, finished=True)
        data = await session.open(headers | {"streamType": "data"})
        await data.close_write()
        assert await read_all(data) == b"welcome "


async def test_port_forward_over_websocket_channels(pool, port):
    number = port.number.to_bytes(2, "little")
    socket = await websocket(pool, FORWARD, f"port={port.number}", "v4.channel.k8s.io")
    assert [await socket.receive(), await socket.receive()] == [b"\x00" + number, b"\x01" + number]
    assert await socket.receive() == b"\x00welcome "
    await socket.send(b"abc", b"\x00")
    await socket.close()  # channels cannot end: that ends the connection
    async with asyncio.timeout(30):
        await port.ended.wait()
    refused = await websocket(pool, FORWARD, "port=1", "v4.channel.k8s.io")
    assert [await refused.receive(), await refused.receive()] == [b"\x00\x01\x00", b"\x01\x01\x00"]
    complaint = await refused.receive()
    assert complaint.startswith(b"\x01error forwarding port 1 to pod web_default")


# Nothing is left, whatever the end.


def resources() -> tuple[int, int]:
    """(tasks, descriptors) of this process."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def wait_resources(wanted: tuple[int, int]) -> None:
    for _ in range(600):
        if resources() == wanted:
            return
        await asyncio.sleep(0.05)
    left = [f"{task.get_name()}: {task.get_coro()}" for task in asyncio.all_tasks()]

    assert resources() == wanted, left


async def exec_once(pool: HttpPool) -> None:
    socket = await websocket(pool, EXEC, ALL, "v5.channel.k8s.io")
    await socket.send(b"a word", b"\x00")
    await socket.send(b"\x00", b"\xff")
    said = await collect(socket)
    await socket.close()
    assert (said[1], said[2], exit_code(said[3])) == (b"A WORD", b"bye", "7")


async def exec_spdy_once(pool: HttpPool) -> None:
    async with spdy(pool, EXEC, ALL) as session:
        names = ("error", "stdin", "stdout", "stderr")
        parts = {name: await session.open({"streamType": name}) for name in names}
        await parts["stdin"].write(b"a word")
        await parts["stdin"].close_write()
        assert await read_all(parts["stdout"]) == b"A WORD"
        assert exit_code(await read_all(parts["error"])) == "7"


async def forwards(pool: HttpPool, tunnelled: bool, port: int) -> None:
    async with forwarding(pool, tunnelled) as session:
        assert await forward_once(session, 1, port) == (b"welcome QUESTION", b"")


async def test_a_thousand_sessions_leave_nothing_behind(pool, port):
    kinds = [
        lambda: exec_once(pool),
        lambda: exec_spdy_once(pool),
        lambda: forwards(pool, True, port.number),
        lambda: forwards(pool, False, port.number),
    ]
    for kind in kinds:
        await kind()
    await asyncio.sleep(0.1)
    before = resources()
    for _ in range(50):
        async with TaskGroup("batch") as group:
            for number in range(20):
                group.start(kinds[number % 4](), str(number))
    await wait_resources(before)


async def test_connections_cut_at_any_moment_leave_nothing_behind(pool, port):
    random = Random(7)
    await exec_once(pool)
    await asyncio.sleep(0.1)
    before = resources()

    async def busy(number: int) -> None:
        """Talks without end, in one of four ways."""
        if number % 2:
            path, protocol = (EXEC, "v5.channel.k8s.io")
            socket = await websocket(pool, path, ALL, protocol)
            while True:
                await socket.send(bytes(10_000), b"\x00")
                await socket.receive()
        async with forwarding(pool, bool(number & 2)) as session:
            while True:
                await forward_once(session, random.below(1 << 30), port.number)

    for number in range(60):
        opened = len(pool.opened)
        pool.node.shell = "pour" if number % 4 == 1 else ""
        async with TaskGroup("cut") as group:
            talking = group.start(suppressed(busy(number)), "busy")
            await asyncio.sleep(random.below(1000) / 20_000)
            for exchange in list(pool._all):  # not upgraded yet
                exchange.drop()
            for stream in pool.opened[opened:]:
                stream._transport.abort()
            talking.cancel()
    pool.node.shell = ""
    await wait_resources(before)
    await exec_once(pool)


async def suppressed(work) -> None:
    with contextlib.suppress(ConnectionError, AssertionError):
        await work


@pytest.mark.parametrize("kind", ["websocket", "spdy"])
async def test_a_reader_that_stops_stops_the_container(pool, kind):
    """What is under way stays within the buffers on the way."""
    pool.node.shell = "pour"
    if kind == "websocket":
        socket = await websocket(pool, EXEC, ALL, "v5.channel.k8s.io")
        await socket.receive()
        stream = socket._stream
    else:
        reply = await pool.send(ask(EXEC, ALL, SPDY))
        pool.opened.append(stream := reply.stream)
        session = SpdySession(stream, server=False)
        for name in ("error", "stdin", "stdout", "stderr"):
            await session.open({"streamType": name})
    poured = -1
    async with asyncio.timeout(20):
        while poured != pool.runtime.poured or not poured:
            poured = pool.runtime.poured
            await asyncio.sleep(0.3)
    assert poured < 40_000_000
    assert stream._inbox.size < 2_000_000
    stream._transport.abort()
    async with asyncio.timeout(30):
        await pool.runtime.left.wait()
