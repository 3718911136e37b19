# SPDX-License-Identifier: Apache-2.0
"""Streams through the API server into real containers: every protocol, every operation, nothing left.

kubectl speaks only the newest protocol; older clients, and upstream's e2e framework (SPDY only), are
played by our own client.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commandline import KUBECTL, Cli, wait_until

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.stream import TransportStream
from pybernetes.wire.types import Request, Stream, Upgraded
from pybernetes.wire.websocket import WebSocket, WebSocketStream
from tests.wire.websocketclient import check_answer, client_headers

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(90)]
# Port 8080 says how much it heard once the client has finished; 8081 pours 5 MB; 8082 upgrades, then
# says what it hears.
COMMAND = """nc -ll -p 8080 -e sh -c 'echo begin; wc -c' &
nc -ll -p 8081 -e head -c 5000000 /dev/zero &
printf 'HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: x\\r\\n\\r\\n' > /tmp/101
nc -ll -p 8082 -e sh -c 'read line; cat /tmp/101; echo "$line"; cat' & exec sleep 100000"""
CONTAINER = {
    "name": "main",
    "image": "docker.io/library/busybox:latest",
    "imagePullPolicy": "IfNotPresent",
    "command": ["sh", "-c", COMMAND],
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "streams"},
    "spec": {"terminationGracePeriodSeconds": 0, "containers": [CONTAINER]},
}
PATH = "/api/v1/namespaces/default/pods/streams"
OPENED: list[TransportStream] = []
TUNNEL = "SPDY/3.1+portforward.k8s.io"


@pytest.fixture(scope="module")
def cli(real: Cli) -> Iterator[Cli]:
    wait_until(lambda: real.get("serviceaccounts")["items"], 20)
    real.kubectl("apply", "-f", "-", data=json.dumps(POD))
    real.kubectl("wait", "--for=condition=Ready", "pod/streams", "--timeout=40s")
    probe = ("exec", "streams", "--", "sh", "-c", "netstat -ltn | grep -c ':808[012]'")
    wait_until(lambda: real.kubectl(*probe, check=False).strip() == "3", 20)
    yield real
    real.kubectl("delete", "pod", "streams", "--now", "--timeout=60s")


@pytest.fixture
async def client(cli: Cli) -> AsyncIterator[Https]:
    client = Https(Env(), kubeconfig.load(cli.data_dir / "admin.kubeconfig"))
    yield client
    for stream in OPENED:
        stream._transport.abort()  # not the whole farewell of TLS
    OPENED.clear()
    await client.close()
    await asyncio.sleep(0.05)


async def upgraded(client: Https, path: str, headers: dict[str, str]) -> Upgraded:
    path, _, query = path.partition("?")
    method = "GET" if headers["upgrade"] == "websocket" else "POST"
    reply = await client.exchange(Request(method, path, path, query, headers), stream=True)
    assert isinstance(reply, Upgraded), reply
    assert isinstance(reply.stream, TransportStream)
    OPENED.append(reply.stream)
    return reply


async def websocket(client: Https, path: str, *protocols: str) -> WebSocket:
    headers = client_headers(Random(3), protocols)
    reply = await upgraded(client, path, headers)
    check_answer(headers, reply.headers)
    return WebSocket(reply.stream, masks=Random(4))


@contextlib.asynccontextmanager
async def spdy(client: Https, path: str, *protocols: str) -> AsyncIterator[SpdySession]:
    headers = {"upgrade": "SPDY/3.1"}
    if protocols:
        headers["x-stream-protocol-version"] = ", ".join(protocols)
    session = SpdySession((await upgraded(client, path, headers)).stream, server=False)
    async with session.running():
        yield session


async def read_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


Said = dict[int, bytes]  # by channel: 1 stdout, 2 stderr, 3 the status


def exec_path(*command: str, tty: bool = False) -> str:
    flags = [("stdin", "1"), ("stdout", "1"), ("stderr", "" if tty else "1"), ("tty", "1" * tty)]
    pairs = [(name, value) for name, value in flags if value]
    return f"{PATH}/exec?" + urllib.parse.urlencode([*pairs, *(("command", w) for w in command)])


async def over_websocket(
    client: Https, protocol: str, path: str, data: bytes, size: bytes = b""
) -> Said:
    """Run to the end; stdin is `data`, finished where the protocol can say so."""
    socket_ = await websocket(client, path, *([protocol] if protocol else []))
    encoded = "base64" in protocol

    async def send(channel: int, payload: bytes) -> None:
        if encoded:
            await socket_.send(f"{channel}{base64.b64encode(payload).decode()}")
        else:
            await socket_.send(payload, bytes((channel,)))

    if size:
        await send(4, size)
    for start in range(0, len(data), 50_000):
        await send(0, data[start : start + 50_000])
    if protocol.startswith("v5."):
        await socket_.send(b"\0", b"\xff")
    said: Said = {}
    while (message := await socket_.receive()) is not None:
        raw = message.encode() if isinstance(message, str) else message
        channel = raw[0] - ord("0") if encoded else raw[0]
        payload = base64.b64decode(raw[1:]) if encoded else raw[1:]
        said[channel] = said.get(channel, b"") + payload
    await socket_.close()
    return said


async def over_spdy(
    client: Https, protocol: str, path: str, data: bytes, size: bytes = b""
) -> Said:
    async with spdy(client, path, *([protocol] if protocol else [])) as session:
        names = ["error", "stdin", "stdout", "resize" if size else "stderr"]
        parts = {name: await session.open({"streamType": name}) for name in names}
        if size:
            await parts["resize"].write(size)

        async def say() -> None:
            await parts["stdin"].write(data)
            if not size:  # the end of a terminal's input hangs up
                await parts["stdin"].close_write()

        saying = asyncio.ensure_future(say())
        stderr = read_all(parts["stderr"]) if not size else asyncio.sleep(0, b"")
        stdout, wrong, status = await asyncio.gather(
            read_all(parts["stdout"]), stderr, read_all(parts["error"])
        )
        await saying
        return {1: stdout, 2: wrong, 3: status}


WEBSOCKETS = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
]
SPDYS = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"]
EVERY = [(over_websocket, name) for name in WEBSOCKETS] + [(over_spdy, name) for name in SPDYS]


@pytest.mark.parametrize(("run", "protocol"), EVERY)
async def test_exec_in_every_protocol(client, run, protocol):
    """stdin, both outputs apart, 300 kB there and back, the exit code as the protocol tells it."""
    data = os.urandom(300_000)
    command = ("sh", "-c", "head -c 300000; echo wrong >&2; exit 7")
    said = await run(client, protocol, exec_path(*command), data)
    assert said[1] == data
    assert said[2] == b"wrong\n"
    if protocol.startswith(("v4.", "v5.")):
        status = json.loads(said[3])
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    elif (run, protocol) == (over_spdy, "channel.k8s.io"):
        assert said[3] == b""  # the first protocol resets its error stream at once, as ever
    else:
        assert b"exit code 7" in said[3] or b"exit status 7" in said[3] or b": 7" in said[3]


@pytest.mark.parametrize("run", [over_websocket, over_spdy])
async def test_the_end_of_stdin_reaches_the_process(client, run):
    protocol = "v5.channel.k8s.io" if run is over_websocket else "v4.channel.k8s.io"
    data = os.urandom(2_000_000)
    said = await run(client, protocol, exec_path("wc", "-c"), data)
    assert (said[1].strip(), json.loads(said[3])["status"]) == (b"2000000", "Success")
    said = await run(client, protocol, exec_path("cat"), data)
    assert said[1] == data


@pytest.mark.parametrize("run", [over_websocket, over_spdy])
async def test_a_terminal_knows_its_size(client, run):
    path = exec_path("sh", "-c", "sleep 0.5; stty size; tty", tty=True)
    size = b'{"Width":101,"Height":33}'
    said = await run(client, "v4.channel.k8s.io", path, b"", size)
    assert said[1].split()[:2] == [b"33", b"101"]
    assert b"/dev/pts/" in said[1]


@contextlib.asynccontextmanager
async def forwarding(client: Https, tunnelled: bool) -> AsyncIterator[SpdySession]:
    if tunnelled:
        socket_ = await websocket(client, f"{PATH}/portforward", TUNNEL)
        session = SpdySession(WebSocketStream(socket_), server=False)
        async with session.running():
            yield session
    else:
        async with spdy(client, f"{PATH}/portforward", "portforward.k8s.io") as session:
            yield session


async def forward(session: SpdySession, number: int, port: int, data: bytes) -> tuple[bytes, bytes]:
    """(answer, complaint) of one connection that says `data` and finishes at once."""
    headers = {"port": str(port), "requestID": str(number)}
    error = await session.open(headers | {"streamType": "error"}, finished=True)
    stream = await session.open(headers | {"streamType": "data"})
    with contextlib.suppress(ConnectionError):
        await stream.write(data)
        await stream.close_write()
    return await read_all(stream), await read_all(error)


@pytest.mark.parametrize("tunnelled", [True, False])
async def test_port_forward_with_half_close(client, tunnelled):
    async with forwarding(client, tunnelled) as session:
        assert await forward(session, 1, 8080, bytes(400_000)) == (b"begin\n400000\n", b"")
        answer, _ = await forward(session, 2, 8081, b"")  # it has finished before the answer began
        assert len(answer) == 5_000_000
        both = await asyncio.gather(*(forward(session, n, 8081, b"") for n in (7, 8)))
        assert [len(answer) for answer, _ in both] == [5_000_000, 5_000_000]
        answer, complaint = await forward(session, 3, 9999, b"x")
        assert (answer, b"connection refused" in complaint) == (b"", True)


async def test_port_forward_over_channels(client):
    socket_ = await websocket(client, f"{PATH}/portforward?ports=8081", "v4.channel.k8s.io")
    port = (8081).to_bytes(2, "little")
    assert [await socket_.receive(), await socket_.receive()] == [b"\0" + port, b"\1" + port]
    got = 0
    while got < 5_000_000:
        message = await socket_.receive()
        assert isinstance(message, bytes)
        got += len(message) - 1
    await socket_.close()


async def test_the_pods_port_through_the_proxy_may_upgrade(client):
    """Bytes pass once the pod itself has said 101; what it says instead is the answer."""
    reply = await upgraded(client, f"{PATH}:8082/proxy/chat", {"upgrade": "x"})
    await reply.stream.write(b"hello")
    seen = b""
    while not seen.endswith(b"hello"):
        seen += await reply.stream.read()
    assert seen.startswith(b"POST /chat HTTP/1.1\r\n")  # cat shows what the server was sent
    assert b"authorization" not in seen.lower()
    await reply.stream.close()


# What is left afterwards.


def descriptors(cli: Cli) -> int:
    pid = (cli.data_dir / "pybernetes.pid").read_text().strip()
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_fifty_commands_at_once_leave_nothing_behind(cli: Cli) -> None:
    cli.kubectl("exec", "streams", "--", "true")
    before = descriptors(cli)
    with ThreadPoolExecutor(8) as pool:
        words = ("exec", "streams", "--", "echo")
        said = list(pool.map(lambda number: cli.kubectl(*words, str(number)), range(50)))
    assert said == [f"{number}\n" for number in range(50)]
    wait_until(lambda: descriptors(cli) <= before, 10, "descriptors are closed")


def test_a_killed_client_takes_its_session_along(cli: Cli) -> None:
    """The process behind it hears the end of its input, as everywhere."""
    before = descriptors(cli)
    kubectl = [str(KUBECTL), "--kubeconfig", str(cli.data_dir / "admin.kubeconfig")]
    with subprocess.Popen(
        [*kubectl, "exec", "-i", "streams", "--", "sh", "-c", "echo up; cat; touch /tmp/ended"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout
        assert client.stdout.readline() == b"up\n"
        client.send_signal(signal.SIGKILL)
    probe = ("exec", "streams", "--", "ls", "/tmp/ended")
    wait_until(lambda: "No such" not in cli.kubectl(*probe, check=False), 10)
    wait_until(lambda: descriptors(cli) <= before, 10, "descriptors are closed")


def test_a_followed_log_ends_with_its_reader(cli: Cli) -> None:
    before = descriptors(cli)
    kubectl = [str(KUBECTL), "--kubeconfig", str(cli.data_dir / "admin.kubeconfig")]
    readers = [subprocess.Popen([*kubectl, "logs", "-f", "streams"]) for _ in range(10)]
    wait_until(lambda: descriptors(cli) >= before + 10, 20)
    for reader in readers:
        reader.kill()
        reader.wait()
    wait_until(lambda: descriptors(cli) <= before, 10, "descriptors are closed")


def test_copies_of_many_megabytes_are_whole(cli: Cli, tmp_path: Path) -> None:
    data = os.urandom(20_000_000)
    (tmp_path / "there").write_bytes(data)
    cli.kubectl("cp", str(tmp_path / "there"), "streams:/tmp/copy")
    cli.kubectl("cp", "streams:/tmp/copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    cli.kubectl("exec", "streams", "--", "rm", "/tmp/copy")


def test_kubectl_port_forward_gives_all_to_who_reads_slowly(cli: Cli) -> None:
    config = str(cli.data_dir / "admin.kubeconfig")
    command = [str(KUBECTL), "--kubeconfig", config, "port-forward", "pod/streams", ":8081"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline().split()[2].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.shutdown(socket.SHUT_WR)
            got = 0
            while data := connection.recv(1 << 18):
                got += len(data)
                time.sleep(0.05)
        process.terminate()
    assert got == 5_000_000
