# SPDX-License-Identifier: Apache-2.0
"""What the two kinds of exec and attach sessions share: input, sizes, and how they are carried out."""

import asyncio
import logging
from abc import ABC, abstractmethod

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.protocols import (
    Sizes,
    encode_status,
    status_of_error,
    status_of_exit,
)
from pybernetes.kubelet.server.types import Executor, TerminalSize
from pybernetes.wire.stream import Gate, Inbox

log = logging.getLogger("pybernetes.kubelet.server")


class BaseSession(ABC):
    """A types.Session over one connection.

    - Input waits in `stdin`; while too much of it waits, `gate` is closed and the client is not read.
    - A client that goes away cancels the executor.
    """

    def __init__(self, streams: Streams, protocol: str) -> None:
        self.streams = streams
        self.protocol = protocol
        self.gate = Gate()
        self.stdin = Inbox(self.gate.close, self.gate.open)
        self._sizes: asyncio.Queue[TerminalSize | None] = asyncio.Queue()
        self._decoder = Sizes()
        if not streams.stdin:
            self.stdin.feed_eof()

    async def read_stdin(self) -> bytes:
        return await self.stdin.read()

    async def next_size(self) -> TerminalSize | None:
        return await self._sizes.get()

    def resized(self, data: bytes) -> None:
        for size in self._decoder.feed(data):
            self._sizes.put_nowait(size)

    def no_more_sizes(self) -> None:
        self._sizes.put_nowait(None)

    async def serve(self, execute: Executor, action: str) -> None:
        """Carry the session out; `action` words its failure ("executing command in container")."""
        try:
            async with TaskGroup("session") as group:
                listening = group.start(self.listen(), "client")
                working = group.start(self._work(execute, action), "executor")
                listening.add_done_callback(lambda _: working.cancel())
                working.add_done_callback(lambda _: listening.cancel())
        finally:
            await self.hang_up()

    async def _work(self, execute: Executor, action: str) -> None:
        try:
            status = status_of_exit(await execute(self))
        except ConnectionError:
            status = status_of_error(
                ConnectionError("the connection to the container broke"), action
            )
        except ApiError as error:
            status = error.status()
        except Exception as error:
            log.exception("A session failed while %s", action)
            status = status_of_error(error, action)
        await self._farewell(status)

    async def _farewell(self, status: Object) -> None:
        try:
            await self.finish(encode_status(status, self.protocol))
        except ConnectionError:
            return  # nobody is left to hear it

    @abstractmethod
    async def write_stdout(self, data: bytes) -> None: ...

    @abstractmethod
    async def write_stderr(self, data: bytes) -> None: ...

    @abstractmethod
    async def listen(self) -> None:
        """Take what the client sends until it is gone."""

    @abstractmethod
    async def finish(self, status: bytes) -> None:
        """Send the status as the last thing."""

    @abstractmethod
    async def hang_up(self) -> None:
        """End the connection once what was sent is seen."""
