# SPDX-License-Identifier: Apache-2.0
"""SPDY/3.1: both sides against each other, and raw frames where the other side misbehaves."""

import asyncio
import contextlib
import struct
import zlib

import pytest

from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.pipe import pipe
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.spdy.frames import DICTIONARY, HeaderCodec, SpdyError, control


@contextlib.asynccontextmanager
async def sessions():
    left, right = pipe()
    client, server = SpdySession(left, server=False), SpdySession(right, server=True)
    async with TaskGroup("test") as group:
        group.start(client.run(), "client")
        group.start(server.run(), "server")
        yield client, server
        await client.close()
        await server.close()


def test_dictionary_is_the_drafts():
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_header_blocks_share_their_state():
    ours, theirs = HeaderCodec(), HeaderCodec()
    for headers in ({"StreamType": "stdin"}, {"streamtype": "error", "port": "80"}, {}):
        expected = {k.lower(): v for k, v in headers.items()}
        assert theirs.decode(ours.encode(headers)) == expected
    with pytest.raises(SpdyError):
        theirs.decode(b"\xff\xff")


async def test_streams_carry_bytes_both_ways_and_half_close():
    async with sessions() as (client, server):
        near = await client.open({"streamType": "data", "port": "80"})
        far = await server.accept()
        assert far.headers == {"streamtype": "data", "port": "80"}
        await near.write(b"question")
        await near.close_write()
        assert await far.read() == b"question"
        assert await far.read() == b""
        await far.write(b"answer")
        await far.close_write()
        assert [await near.read(), await near.read()] == [b"answer", b""]
        assert client._streams == server._streams == {}


async def test_the_server_opens_streams_too():
    async with sessions() as (client, server):
        near = await server.open({"a": "b"}, finished=True)
        far = await client.accept()
        assert (near.id, far.id) == (2, 2)
        assert await far.read() == b""
        with pytest.raises(ConnectionError):
            await near.write(b"x")


async def test_large_transfers_on_many_streams_keep_their_order():
    async with sessions() as (client, server):
        payload = bytes(range(256)) * 8000

        async def echo() -> None:
            while (stream := await server.accept()) is not None:
                group.start(_echo(stream), "echo")

        async def _echo(stream) -> None:
            while data := await stream.read():
                await stream.write(data)
            await stream.close_write()

        async def ask() -> None:
            stream = await client.open({})
            writing = group.start(_send(stream), "send")
            got = b""
            while data := await stream.read():
                got += data
            await writing
            assert got == payload

        async def _send(stream) -> None:
            await stream.write(payload)
            await stream.close_write()

        async with TaskGroup("echo") as group:
            accepting = group.start(echo(), "accept")
            for _ in range(5):
                await ask()
            accepting.cancel()


async def test_a_slow_reader_slows_the_sender():
    async with sessions() as (client, server):
        near = await client.open({})
        far = await server.accept()
        writing = asyncio.get_running_loop().create_task(near.write(b"x" * 8_000_000))
        await asyncio.sleep(0.05)
        assert not writing.done()
        assert far.inbox.size < 2_000_000
        total = 0
        while total < 8_000_000:
            total += len(await far.read())
        await writing


async def test_reset_ends_reading_and_fails_writing():
    async with sessions() as (client, server):
        near = await client.open({})
        far = await server.accept()
        await near.close()  # without a finish from the other side: a reset follows
        assert await far.read() == b""
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await far.write(b"x")


async def test_the_end_of_the_connection_ends_everything():
    left, right = pipe()
    session = SpdySession(left, server=False)
    async with TaskGroup("test") as group:
        running = group.start(session.run(), "run")
        stream = await session.open({})
        await right.close()
        await running
        with pytest.raises(ConnectionError):  # cut off, not finished
            await stream.read()
        assert await session.accept() is None
        with pytest.raises(ConnectionError):
            await stream.write(b"x")
        with pytest.raises(ConnectionError):
            await session.open({})


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GET / HTTP/1.1\r\n\r\n\x80",
        b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01",  # SPDY/2
        control(6, b"\x00"),  # a short ping
        control(1, struct.pack(">IIBB", 2, 0, 0, 0) + HeaderCodec().encode({})),  # a server's id
    ],
)
async def test_broken_frames_end_the_session(bytes_):
    left, right = pipe()
    await right.write(bytes_)
    await right.close_write()
    with pytest.raises(ConnectionError):
        await SpdySession(left, server=True).run()


async def test_pings_are_answered_and_windows_ignored():
    left, right = pipe()
    session = SpdySession(left, server=True)
    async with session.running():
        await right.write(
            control(4, struct.pack(">III", 1, 7, 1))
        )  # SETTINGS: a window of one byte
        await right.write(control(9, struct.pack(">II", 1, 1)))
        await right.write(control(6, struct.pack(">I", 5)))
        assert await right.read() == control(6, struct.pack(">I", 5))
