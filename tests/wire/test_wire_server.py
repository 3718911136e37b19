# SPDX-License-Identifier: Apache-2.0
"""The listener as a raw socket sees it: framing, refusals, limits, order, disconnects."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest
import uvloop

from pybernetes.base.env import Env
from pybernetes.wire import connection
from pybernetes.wire.hub import Limits
from pybernetes.wire.server import Server, serve
from pybernetes.wire.types import (
    Reply,
    Request,
    Response,
    Stream,
    StreamingResponse,
    UpgradeResponse,
)

SMALL = Limits(header_bytes=2048, body_bytes=100)


class Site:
    """A handler that records what it saw, and whether work was cancelled or closed."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()
        self.go = asyncio.Event()

    def __call__(self, request: Request):
        self.seen.append(request)
        make = getattr(self, request.path.strip("/") or "root", None)
        return make(request) if make else Response(200, request.body or request.path.encode())

    async def slow(self, request: Request) -> Reply:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Response(200, b"slow")

    def watch(self, request: Request) -> Reply:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                await self.go.wait()
                yield b"two"
            finally:
                self.closed.set()

        return StreamingResponse(chunks())

    def fail(self, request: Request) -> Reply:
        raise LookupError("oops")

    def echo(self, request: Request) -> Reply:
        async def run(stream: Stream) -> None:
            while data := await stream.read():
                await stream.write(data.upper())

        return UpgradeResponse(run, (("Upgrade", "echo"),))

    def deaf(self, request: Request) -> Reply:
        async def run(stream: Stream) -> None:
            try:
                await self.go.wait()
            finally:
                self.cancelled.set()

        return UpgradeResponse(run, (("Upgrade", "x"),))


@pytest.fixture
def site():
    return Site()


@pytest.fixture
async def server(site):
    server = await serve(Env(), site, limits=SMALL)
    yield server
    await server.close()


async def talk(server: Server, data: bytes, *, half_close: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    if half_close:
        writer.write_eof()
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def bodies(answer: bytes) -> list[bytes]:
    return [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_pipelined_requests_are_answered_in_order(server, site):
    site.go.set()
    sent = b"".join(b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % p for p in (b"a", b"slow", b"b"))
    last = b"GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await talk(server, sent + last, half_close=False)
    assert bodies(answer) == [b"/a", b"slow", b"/b", b"/c"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 4000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
            + b"x" * 101
            + b"\r\n",
            413,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\n",
            400,
        ),
    ],
)
async def test_refused_before_the_handler(server, site, head, status):
    answer = await talk(server, head)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"Connection: close" in answer
    assert site.seen == []


async def test_what_came_before_a_refusal_is_answered(server):
    answer = await talk(server, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nrubbish\r\n\r\n")
    assert bodies(answer)[0] == b"/a"
    assert b"HTTP/1.1 400 " in answer


async def test_request_is_taken_apart(server, site):
    head = b"PUT /a%20b?x=%20 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    await talk(server, head + b"2\r\nab\r\n3\r\ncde\r\n0\r\nX-A: trailer\r\n\r\n")
    request = site.seen[0]
    assert (request.method, request.raw_path, request.path, request.query) == (
        "PUT",
        "/a%20b",
        "/a b",
        "x=%20",
    )
    assert request.body == b"abcde"
    assert request.headers["x-a"] == "1, 2"
    assert request.peer.address.startswith("127.0.0.1:")


async def test_continue_is_sent_only_for_a_body_we_take(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ok")
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    writer.write(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (await reader.read()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_head_has_a_length_and_no_body(server):
    answer = await talk(
        server, b"HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert b"Content-Length: 4\r\n" in answer
    assert bodies(answer) == [b"", b"/d"]


async def test_http_1_0_streams_end_by_closing(server, site):
    site.go.set()
    answer = await talk(server, b"GET /watch HTTP/1.0\r\n\r\n", half_close=False)
    assert bodies(answer) == [b"onetwo"]
    assert b"chunked" not in answer


async def test_a_lost_client_cancels_the_handler_and_closes_the_chunks(server, site):
    for path, event in ((b"/slow", site.cancelled), (b"/watch", site.closed)):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        await asyncio.sleep(0.05)
        assert not event.is_set()
        writer.close()
        async with asyncio.timeout(30):
            await event.wait()


async def test_a_failing_handler_is_a_500_and_the_connection_lives(server, caplog):
    answer = await talk(
        server, b"GET /fail HTTP/1.1\r\nHost: h\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert bodies(answer) == [b"internal server error", b"/a"]
    assert "LookupError: oops" in caplog.text


async def test_upgrade_hands_over_early_bytes_and_half_closes(server):
    head = b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
    answer = await talk(server, head + b"early bytes")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert bodies(answer) == [b"EARLY BYTES"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_who_took_over_is_told_that_the_client_is_gone(monkeypatch, loop):
    """Also when it does not read, and the loop cannot see a reset."""
    monkeypatch.setattr(connection, "_WATCH", 0.2)
    runner = uvloop.run if loop == "uvloop" else asyncio.run

    async def main() -> None:
        site = Site()
        server = await serve(Env(), site)
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )  # then a reset
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(b"GET /deaf HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes(8_000_000))
        await asyncio.sleep(0.3)
        assert not site.cancelled.is_set()
        writer.transport.abort()
        async with asyncio.timeout(30):
            await site.cancelled.wait()
        await asyncio.sleep(0.05)
        assert not server._hub.members
        await server.close()

    runner(main())


async def test_upgrade_that_is_not_taken_closes(server):
    head = b"GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    answer = await talk(server, head, half_close=False)
    assert bodies(answer) == [b"/a"]
    assert b"Connection: close" in answer


async def test_close_lets_a_reply_end_within_the_grace(site):
    server = await serve(Env(), site)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    while not site.seen:  # noqa: ASYNC110  (the handler does not tell)
        await asyncio.sleep(0.01)
    closing = asyncio.get_running_loop().create_task(server.close(5))
    await asyncio.sleep(0.02)
    site.go.set()
    assert (await reader.read()).endswith(b"slow")
    async with asyncio.timeout(4):
        await closing
    writer.close()


async def test_idle_and_slow_connections_are_closed(site):
    limits = Limits(header_timeout=0.2, idle_timeout=0.2, body_timeout=0.2)
    server = await serve(Env(), site, limits=limits)
    try:
        for sent in (
            b"",
            b"GET / HT",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
        ):
            await talk(server, sent, half_close=False)
        assert not server._hub.members
    finally:
        await server.close()


async def test_a_slow_reader_is_not_idle(site):
    site.root = lambda request: Response(200, b"x" * 30_000_000)
    server = await serve(Env(), site, limits=Limits(idle_timeout=0.9))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    got = 0
    for _ in range(25):  # longer than the idle timeout and the clock's tick
        got += len(await reader.read(1_000_000))
        await asyncio.sleep(0.1)
    while got < 30_000_000 and (data := await reader.read(1_000_000)):
        got += len(data)
    assert got > 30_000_000
    writer.close()
    await server.close()


async def test_too_many_connections_are_turned_away(site):
    server = await serve(Env(), site, limits=Limits(connections=1))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await asyncio.sleep(0.02)
    try:
        answer = await talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", half_close=False)
    except ConnectionError:
        answer = b""
    assert (answer, site.seen) == (b"", [])
    writer.close()
    await server.close()
