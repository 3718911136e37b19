# SPDX-License-Identifier: Apache-2.0
"""WebSocket: RFC 6455's own examples, both sides against each other, and what must be refused."""

import asyncio

import pytest

from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.wire import websocket
from pybernetes.wire.pipe import pipe
from pybernetes.wire.types import Request
from pybernetes.wire.websocket import HandshakeError, WebSocket, WebSocketError, WebSocketStream
from tests.wire.websocketclient import check_answer, client_headers

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the RFC's example


def upgrade(**headers: str) -> Request:
    base = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": KEY,
    }
    return Request(
        "GET", "/", "/", headers=base | {k.replace("_", "-"): v for k, v in headers.items()}
    )


def pair(**options) -> tuple[WebSocket, WebSocket]:
    left, right = pipe()
    return WebSocket(left, masks=Random(1), **options), WebSocket(right, **options)


def test_handshake_of_the_rfc_and_choice_of_protocol():
    request = upgrade(sec_websocket_protocol="v9, v5.channel.k8s.io, v4.channel.k8s.io")
    chosen, headers = websocket.handshake(request, ["v4.channel.k8s.io", "v5.channel.k8s.io"])
    assert chosen == "v5.channel.k8s.io"
    assert dict(headers)["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert websocket.handshake(upgrade(), [""])[0] == ""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade(sec_websocket_version="8"), 426),
        (upgrade(sec_websocket_key="short"), 400),
        (upgrade(upgrade="spdy/3.1"), 400),
        (upgrade(sec_websocket_protocol="other"), 403),
        (upgrade(), 403),
    ],
)
def test_handshakes_that_are_refused(request_, status):
    with pytest.raises(HandshakeError) as caught:
        websocket.handshake(request_, ["v5.channel.k8s.io"])
    assert caught.value.status == status


def test_client_checks_the_answer():
    sent = client_headers(Random(1), ["a", "b"])
    _, good = websocket.handshake(
        upgrade(**{k.replace("-", "_"): v for k, v in sent.items()}), ["b"]
    )
    assert check_answer(sent, good) == "b"
    with pytest.raises(WebSocketError, match="Accept"):
        check_answer(sent, (("Sec-WebSocket-Accept", "x"),))


@pytest.mark.parametrize("size", [0, 1, 3, 125, 126, 1023, 1024, 1027, 65535, 65536, 300_001])
async def test_messages_of_every_length_both_ways(size):
    client, server = pair()
    data = bytes(i * 7 % 256 for i in range(size))
    async with TaskGroup("test") as group:
        group.start(client.send(data), "send")
        assert await server.receive() == data
        group.start(server.send(data, b"\x01"), "answer")
        assert await client.receive() == b"\x01" + data


def test_mask_is_the_byte_by_byte_xor():
    key = b"\x37\xfa\x21\x3d"
    assert websocket.mask(b"Hello", key) == b"\x7f\x9f\x4d\x51\x58"  # the RFC's example
    long = bytes(range(256)) * 5 + b"tail"
    assert websocket.mask(long, key) == bytes(b ^ key[i % 4] for i, b in enumerate(long))


async def test_fragments_are_joined_around_control_frames():
    left, right = pipe()
    client = WebSocket(right, masks=Random(1))
    await left.write(b"\x01\x03Hel" + b"\x89\x01!" + b"\x80\x02lo" + b"\x88\x02\x03\xe9")
    assert await client.receive() == "Hello"
    assert await client.receive() is None
    assert client.close_code == 1001
    pong = await left.read()
    assert pong[0] == 0x8A


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x82\x81abcd!", 1002),  # masked, to a client
        (b"\xc2\x01!", 1002),  # a reserved bit
        (b"\x83\x01!", 1002),  # unknown opcode
        (b"\x80\x01!", 1002),  # continuation of nothing
        (b"\x09\x00", 1002),  # a fragmented ping
        (b"\x81\x01\xff", 1007),  # not UTF-8
        (b"\x82\x7e\x00\xff" + b"x" * 255, 1009),
    ],
)
async def test_broken_frames_end_the_connection_with_a_code(frame, code):
    left, right = pipe()
    client = WebSocket(right, masks=Random(1), max_message=200)
    await left.write(frame)
    with pytest.raises(WebSocketError):
        await client.receive()
    sent = await left.read()
    assert sent[0] == 0x88
    assert websocket.mask(sent[6:8], sent[2:6]) == code.to_bytes(2, "big")


async def test_close_waits_for_the_other_side():
    client, server = pair()
    async with TaskGroup("test") as group:
        waiting = group.start(server.receive(), "receive")
        await client.close(1000, "done")
        assert await waiting is None
    assert server.close_code == 1000
    with pytest.raises(ConnectionError):
        await server.send(b"late")


async def test_a_cut_connection_is_an_end_and_a_cut_frame_an_error():
    left, right = pipe()
    socket = WebSocket(right, masks=Random(1))
    await left.close()
    assert await socket.receive() is None
    assert socket.close_code == 1006
    left, right = pipe()
    await left.write(b"\x82\x05ab")
    await left.close()
    with pytest.raises(ConnectionError):
        await WebSocket(right, masks=Random(1)).receive()


async def test_a_tunnel_is_a_stream():
    client, server = pair()
    near, far = WebSocketStream(client), WebSocketStream(server)
    await near.write(b"abc")
    assert await far.read() == b"abc"
    closing = asyncio.get_running_loop().create_task(near.close())
    assert await far.read() == b""
    await closing
