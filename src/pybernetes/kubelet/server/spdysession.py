# SPDX-License-Identifier: Apache-2.0
"""Exec and attach over SPDY/3.1: the client opens one stream for each of its parts."""

import asyncio
import contextlib

from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.session import BaseSession
from pybernetes.kubelet.server.types import Executor
from pybernetes.wire.spdy import SpdySession, SpdyStream

_CREATION_TIMEOUT = 30.0  # for the client to open its streams
_LINGER = 5.0  # for the client to read the end


class SpdyExecSession(BaseSession):
    """The session of one SPDY connection, whose protocol is one of v1 to v5."""

    def __init__(self, connection: SpdySession, streams: Streams, protocol: str) -> None:
        super().__init__(streams, protocol)
        self._connection = connection
        self._parts: dict[str, SpdyStream] = {}
        self._running: asyncio.Task[None] | None = None

    def _expected(self) -> set[str]:
        streams = self.streams
        wanted = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr}
        wanted["error"] = True
        wanted["resize"] = streams.tty and self.protocol.startswith(("v3", "v4", "v5"))
        return {name for name, asked in wanted.items() if asked}

    async def serve(self, execute: Executor, action: str) -> None:
        async with TaskGroup("spdy") as group:
            self._running = group.start(self._run(), "connection")
            try:
                if await self._gather():
                    await super().serve(execute, action)
            finally:
                await self._connection.close()

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._connection.run()

    async def _gather(self) -> bool:
        """Wait for the client's streams; False: they did not come."""
        missing = self._expected()
        try:
            async with asyncio.timeout(_CREATION_TIMEOUT):
                while missing:
                    stream = await self._connection.accept()
                    if stream is None:
                        return False
                    name = stream.headers.get("streamtype", "")
                    self._parts[name] = stream
                    missing.discard(name)
        except TimeoutError:
            return False
        return True

    async def read_stdin(self) -> bytes:
        return await self._parts["stdin"].read() if self.streams.stdin else b""

    async def write_stdout(self, data: bytes) -> None:
        if self.streams.stdout:
            await self._parts["stdout"].write(data)

    async def write_stderr(self, data: bytes) -> None:
        if self.streams.stderr:
            await self._parts["stderr"].write(data)

    async def listen(self) -> None:
        """Take sizes as they come; over when the connection is."""
        assert self._running is not None
        resize = self._parts.get("resize")
        with contextlib.suppress(ConnectionError):
            while resize is not None and (data := await resize.read()):
                self.resized(data)
        self.no_more_sizes()
        await asyncio.shield(self._running)

    async def finish(self, status: bytes) -> None:
        for name in ("stdout", "stderr"):
            if name in self._parts:
                await self._parts[name].close_write()
        await self._parts["error"].write(status)
        await self._parts["error"].close_write()

    async def hang_up(self) -> None:
        """Clients end the connection when they have read the status; those that do not are left."""
        assert self._running is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await asyncio.shield(self._running)
