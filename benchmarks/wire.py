# SPDX-License-Identifier: Apache-2.0
"""How fast the wire is: GETs over TLS (load from wrk, loopback only), and bytes through the framings.

`python benchmarks/wire.py`. The server is this process; wrk shares its processors.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable

import uvloop

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.client import HttpPool
from pybernetes.wire.server import serve
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import Reply, Request, Response, Stream, Upgraded, UpgradeResponse
from pybernetes.wire.websocket import WebSocket, WebSocketStream

SECONDS = 4
BODY = b'{"kind":"Pod"}'.ljust(1000)
MEGABYTES = 400
CHUNK = bytes(32 * 1024)


def say(what: str, text: str) -> None:
    print(f"{what:<34}{text}")


def at_once(request: Request) -> Reply:
    return Response(200, BODY)


def later(request: Request) -> Awaitable[Reply]:
    async def answer() -> Reply:
        return Response(200, BODY)

    return answer()


async def gets(name: str, handler: Callable[[Request], Reply | Awaitable[Reply]]) -> None:
    env = Env()
    ca = tls.new_ca("bench", env.clock)
    pair = tls.issue(ca, tls.Subject("localhost", ips=("127.0.0.1",)), env.clock)
    server = await serve(env, handler, ssl_context=tls.server_context(pair))
    url = f"https://127.0.0.1:{server.port}/"
    wrk = await asyncio.create_subprocess_exec(
        "wrk", "-t1", "-c16", f"-d{SECONDS}", "--latency", url, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await wrk.communicate()
    words = output.decode().split()
    rate = float(words[words.index("Requests/sec:") + 1])
    say(f"GET 1 KB over TLS, {name}", f"{rate:9,.0f} /s  p99 {words[words.index('99%') + 1]}")
    await server.close()


async def refuse_bomb() -> None:
    server = await serve(Env(), at_once)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    begun = time.perf_counter()
    writer.write(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000000\r\n\r\n" + bytes(1_000_000)
    )
    await reader.readuntil(b"\r\n\r\n")
    say("900 MB body refused after", f"{(time.perf_counter() - begun) * 1000:9.2f} ms")
    writer.close()
    await server.close()


async def drain(stream: Stream) -> float:
    total = 0
    begun = time.perf_counter()
    while data := await stream.read():
        total += len(data)
    return total / 1e6 / (time.perf_counter() - begun)


async def pour(stream: Stream) -> None:
    for _ in range(MEGABYTES * 1_000_000 // len(CHUNK)):
        await stream.write(CHUNK)
    await stream.close_write()
    await stream.close()


async def over_websocket(stream: Stream) -> None:
    await pour(WebSocketStream(WebSocket(stream)))


async def over_spdy(stream: Stream) -> None:
    session = SpdySession(stream, server=True)
    async with TaskGroup("spdy") as group:
        group.start(session.run(), "run")
        opened = await session.accept()
        assert opened is not None
        await pour(opened)


async def carried(name: str, run: Callable[[Stream], Awaitable[None]]) -> None:
    """Bytes from a server to a client in this same process, over loopback TCP."""
    server = await serve(Env(), lambda request: UpgradeResponse(run, (("Upgrade", "x"),)))
    pool = HttpPool(Env(), "127.0.0.1", server.port)
    reply = await pool.send(Request("GET", "/", "/", headers={"upgrade": "x"}))
    assert isinstance(reply, Upgraded)
    async with TaskGroup("client") as group:
        stream: Stream = reply.stream
        if run is over_websocket:
            stream = WebSocketStream(WebSocket(stream, masks=Random(1)))
        if run is over_spdy:
            session = SpdySession(stream, server=False)
            group.start(session.run(), "run")
            stream = await session.open({})
        rate = await drain(stream)
        with contextlib.suppress(ConnectionError):
            await reply.stream.close()
    say(f"stream over {name}", f"{rate:9,.0f} MB/s, both ends in one process")
    await pool.close()
    await server.close()


async def main() -> None:
    if shutil.which("wrk"):
        await gets("answered at once", at_once)
        await gets("one task each", later)
    else:
        say("GET over TLS", "not measured: wrk is not installed")
    await refuse_bomb()
    await carried("TCP", pour)
    await carried("WebSocket", over_websocket)
    await carried("SPDY/3.1", over_spdy)


if __name__ == "__main__":
    uvloop.run(main())
