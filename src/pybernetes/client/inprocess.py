# SPDX-License-Identifier: Apache-2.0
"""The client's transport inside one process: calls the API server's Handler, without sockets.

Who calls is said by `Request.identity`; authorization and admission are the server's as ever.
Bodies cross as JSON bytes, so neither side can change the other's objects. Clients that only feed
informers may share a decoder: their caches then hold each object once in the process.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from pybernetes.apimachinery.types import User
from pybernetes.base import logs
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.types import Client
from pybernetes.wire.pipe import pipe
from pybernetes.wire.types import (
    ClientReply,
    Handler,
    Request,
    Response,
    Stream,
    StreamingResponse,
    Upgraded,
    UpgradeResponse,
)

Decoder = Callable[[bytes], Any]
_log = logs.get("client")
RECENT = 128  # events
_FLUSH = 10.0  # seconds for what is on its way when an upgraded connection ends


def decoder() -> Decoder:
    """Decodes what several watchers get at about the same time once; nobody may change it."""
    return functools.lru_cache(RECENT)(orjson.loads)


class InProcess(Client):
    """A client that is `user` to the server behind `handler`."""

    def __init__(self, handler: Handler, user: User, decode: Decoder | None = None) -> None:
        if decode is not None:
            self.decode = decode
        self._handler = handler
        self._user = user
        self._upgrades: TaskGroup | None = None  # the servers' sides of upgraded connections

    async def exchange(self, request: Request, *, stream: bool) -> ClientReply:
        request.identity = self._user
        reply = self._handler(request)
        if isinstance(reply, Awaitable):
            reply = await reply
        if isinstance(reply, Response | StreamingResponse):
            return reply
        return await self._upgrade(reply)

    async def _upgrade(self, reply: UpgradeResponse) -> Upgraded:
        if self._upgrades is None:
            self._upgrades = TaskGroup("inprocess")
            await self._upgrades.__aenter__()

        def left() -> None:
            """We are gone; the server may wait for something else and not see it."""
            asyncio.get_running_loop().call_later(_FLUSH, task.cancel)

        ours, theirs = pipe(left_closed=left)
        task = self._upgrades.start(_serve(reply, theirs), "upgrade")
        return Upgraded(ours, reply.headers)

    async def close(self) -> None:
        """End upgraded connections."""
        group, self._upgrades = self._upgrades, None
        if group is not None:
            group.cancel()
            await group.__aexit__(None, None, None)


async def _serve(reply: UpgradeResponse, stream: Stream) -> None:
    try:
        await reply.run(stream)
    except Exception as error:  # noqa: BLE001 -- like a listener: it ends this connection only
        _log.warning("An upgraded connection failed", err=error)
    finally:
        await stream.close()
