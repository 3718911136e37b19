# SPDX-License-Identifier: Apache-2.0
"""The client against our listener and against scripted servers; and the in-memory pipe."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from pybernetes.base.env import Env
from pybernetes.wire import stream as stream_module
from pybernetes.wire.client import HttpPool, PoolConfig, ReplyTimeout
from pybernetes.wire.pipe import pipe
from pybernetes.wire.server import serve
from pybernetes.wire.types import (
    Reply,
    Request,
    Response,
    Stream,
    StreamingResponse,
    Upgraded,
    UpgradeResponse,
)


def handler(request: Request) -> Reply:
    if request.path == "/stream":

        async def chunks() -> AsyncIterator[bytes]:
            for number in range(300):
                yield b"%05d" % number * 2000

        return StreamingResponse(chunks(), 201, "text/plain", (("X-A", "1"), ("X-A", "2")))
    if request.path == "/up":

        async def run(stream: Stream) -> None:
            while data := await stream.read():
                await stream.write(data.upper())

        return UpgradeResponse(run, (("Upgrade", "echo"),))
    return Response(404 if request.path == "/none" else 200, request.method.encode() + request.body)


@contextlib.asynccontextmanager
async def pool_to(address: str = "") -> AsyncIterator[HttpPool]:
    server = await serve(Env(), handler)
    pool = HttpPool(Env(), "localhost", server.port, config=PoolConfig(address))
    yield pool
    await pool.close()
    await server.close()


@contextlib.asynccontextmanager
async def scripted(
    *answers: bytes, keep: bool = False
) -> AsyncIterator[tuple[HttpPool, list[bytes]]]:
    """A server that answers the nth connection with the nth bytes and closes, unless `keep`."""
    seen: list[bytes] = []
    left = list(answers)

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = left.pop(0) if left else b""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            if keep:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    pool = HttpPool(Env(), "127.0.0.1", server.sockets[0].getsockname()[1])
    yield pool, seen
    await pool.close()
    server.close()
    await asyncio.sleep(0.01)


def get(path: str = "/", method: str = "GET", **more) -> Request:
    return Request(method, path, path, **more)


async def test_replies_come_whole_and_the_connection_is_kept():
    async with pool_to("127.0.0.1") as pool:
        for _ in range(3):
            reply = await pool.send(get("/", "POST", body=b"abc"))
            assert isinstance(reply, Response)
            assert (reply.status, reply.body, reply.content_type) == (
                200,
                b"POSTabc",
                "application/json",
            )
            assert (len(pool._idle), len(pool._all)) == (1, 1)
        assert (await pool.send(get("/none"))).status == 404
        head = await pool.send(get("/", "HEAD"))
        assert head.body == b""
        assert ("content-length", "4") in head.headers
        await asyncio.sleep(0.01)
        assert len(pool._all) == 0  # after HEAD the connection is not kept
        whole = await pool.send(get("/stream"))
        assert len(whole.body) == 300 * 10_000


async def test_streams_come_in_chunks_with_their_head_first():
    async with pool_to() as pool:
        reply = await pool.send(get("/stream"), stream=True)
        assert isinstance(reply, StreamingResponse)
        assert (reply.status, reply.content_type) == (201, "text/plain")
        assert [v for k, v in reply.headers if k == "x-a"] == ["1", "2"]
        data = b"".join([chunk async for chunk in reply.chunks])
        assert data[-5:] == b"00299"
        assert len(data) == 300 * 10_000
        assert len(pool._idle) == 1  # complete: kept
        reply = await pool.send(get("/stream"), stream=True)
        await reply.chunks.aclose()
        await asyncio.sleep(0.01)
        assert (len(pool._idle), len(pool._all)) == (0, 0)  # broken off: dropped


async def test_upgrades_hand_over_the_connection():
    async with pool_to() as pool:
        reply = await pool.send(get("/up", headers={"upgrade": "echo"}))
        assert isinstance(reply, Upgraded)
        assert ("upgrade", "echo") in reply.headers
        await reply.stream.write(b"hello")
        assert await reply.stream.read() == b"HELLO"
        await reply.stream.close_write()
        assert await reply.stream.read() == b""
        await reply.stream.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_stale_connection_is_replaced_for_repeatable_requests():
    """The server ends the connection just when the next request is on its way."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    pool = HttpPool(Env(), "127.0.0.1", server.sockets[0].getsockname()[1])
    for _ in range(3):
        assert (await pool.send(get())).body == b"ok"
    with pytest.raises(ConnectionError):  # this may have been carried out: never twice
        await pool.send(get("/", "POST"))
    await pool.close()
    server.close()
    await asyncio.sleep(0.01)


async def test_broken_replies_are_connection_errors():
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
    async with scripted(b"", cut, b"rubbish\r\n\r\n", cut) as (pool, _):
        for text in ("closed", "closed", "malformed"):
            with pytest.raises(ConnectionError, match=text):
                await pool.send(get())
        reply = await pool.send(get(), stream=True)
        with pytest.raises(ConnectionError, match="closed"):
            [chunk async for chunk in reply.chunks]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_whose_header_never_ends_is_given_up(stream):
    endless = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3_000_000
    async with scripted(endless) as (pool, _):
        with pytest.raises(ConnectionError, match="header of the response is too large"):
            await pool.send(get(), stream=stream)


async def test_body_that_ends_with_the_connection_and_interim_answers():
    async with scripted(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end") as (
        pool,
        _,
    ):
        assert (await pool.send(get())).body == b"to the end"


async def test_no_answer_in_time():
    async with scripted(b"", keep=True) as (pool, _):
        with pytest.raises(ReplyTimeout):
            await pool.send(get(), timeout=0.05)
    nobody = HttpPool(Env(), "127.0.0.1", 1)
    with pytest.raises(ConnectionError, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
        await nobody.send(get())


async def test_targets_and_headers_cannot_be_smuggled():
    async with pool_to() as pool:
        for request in (get("/a b"), get("/", headers={"x": "1\r\ny: 2"}), get("/ä")):
            with pytest.raises(ValueError, match=r"cannot be sent|not encoded"):
                await pool.send(request)


async def test_pipe_has_back_pressure_and_half_close():
    left, right = pipe(limit=10)
    task = asyncio.get_running_loop().create_task(left.write(b"x" * 11))
    await asyncio.sleep(0)
    assert not task.done()
    assert await right.read() == b"x" * 11
    await task
    await left.close_write()
    assert await right.read() == b""
    await right.write(b"still")
    assert await left.read() == b"still"
    await right.close()
    with pytest.raises(ConnectionError):
        await left.write(b"gone")


@pytest.mark.parametrize("reads", [True, False])
async def test_what_is_unsent_at_the_end_is_sent_to_who_reads_on(monkeypatch, reads):
    """Slowly, for as long as it takes; who stopped reading is cut off."""
    monkeypatch.setattr(stream_module, "_FLUSH", 0.5)
    sizes: list[int] = []

    async def run(stream: Stream) -> None:
        writing = asyncio.ensure_future(stream.write(bytes(20_000_000)))
        await asyncio.sleep(0.1)
        writing.cancel()

    server = await serve(Env(), lambda request: UpgradeResponse(run, (("Upgrade", "x"),)))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=100_000)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0 if reads else 2.0)
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1_000_000):
            sizes.append(len(data))
            await asyncio.sleep(0.02)
    assert (sum(sizes) == 20_000_000) == reads
    writer.close()
    await server.close()
