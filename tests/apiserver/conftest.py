# SPDX-License-Identifier: Apache-2.0
"""A server over the memory store, called through its handler as a cluster administrator."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore
from pybernetes.wire.types import Request, Response, StreamingResponse

ADMIN = User("admin", ("system:masters", "system:authenticated"))


class Caller:
    """`await call("GET", path, expect=200)`: the decoded answer."""

    def __init__(self, server: ApiServer, user: User = ADMIN) -> None:
        self.server = server
        self.user = user

    async def reply(self, method, path, body=None, **headers):
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        sent = {"content-type": "application/json"} if body else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, path, path, query, sent, data, identity=self.user)
        answer = self.server.handler(request)
        if not isinstance(answer, Response | StreamingResponse):
            answer = await answer
        return answer

    async def __call__(self, method, path, body=None, *, expect=None, **headers):
        answer = await self.reply(method, path, body, **headers)
        decoded = json.loads(answer.body)
        if expect is not None:
            assert answer.status == expect, decoded
        return decoded

    async def events(self, stream, count):
        """The next `count` watch events of an open watch, which is then closed."""
        text = b""
        async for chunk in stream.chunks:
            text += chunk
            if text.count(b"\n") >= count:
                break
        await stream.chunks.aclose()
        return [json.loads(line) for line in text.splitlines()][:count]


@pytest.fixture
async def start() -> AsyncIterator:
    """`call = await start(config, env=..., store=...)`: a running server."""
    tasks = []

    async def begin(config=None, *, env=None, store=None):
        env = env or Env()
        server = ApiServer(env, config or Config(), store or MemoryStore(env), None)
        tasks.append(asyncio.get_running_loop().create_task(server.run()))
        ready = asyncio.get_running_loop().create_task(server.wait_ready())
        await asyncio.wait([tasks[-1], ready], return_when=asyncio.FIRST_COMPLETED)
        if tasks[-1].done():
            ready.cancel()
            tasks[-1].result()
        return Caller(server)

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def call(start) -> Caller:
    return await start()
