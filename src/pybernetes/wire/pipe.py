# SPDX-License-Identifier: Apache-2.0
"""An in-memory connection: two Streams, each reading what the other writes."""

from collections.abc import Callable

from pybernetes.wire.stream import HIGH_WATER, Gate, Inbox
from pybernetes.wire.types import Stream


class _End:
    """One end. `gate` holds our writers back while the other end's inbox is full."""

    peer: "_End"

    def __init__(self, inbox: Inbox, gate: Gate, closed: Callable[[], None] | None = None) -> None:
        self.inbox = inbox
        self.gate = gate
        self._closed = closed
        self._write_closed = False

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        self.gate.check()
        if self._write_closed:
            raise ConnectionResetError("written to after close")
        self.peer.inbox.feed(bytes(data))
        if self.gate.closed:
            await self.gate.passed()

    async def close_write(self) -> None:
        self._write_closed = True
        self.peer.inbox.feed_eof()

    async def close(self) -> None:
        await self.close_write()
        self.inbox.feed_eof()
        self.inbox.clear()
        self.peer.gate.fail(ConnectionResetError("the other end is closed"))
        if self._closed is not None:
            self._closed()


def pipe(
    limit: int = HIGH_WATER, left_closed: Callable[[], None] | None = None
) -> tuple[Stream, Stream]:
    """Two connected Streams; a writer waits once more than `limit` bytes are unread.

    `left_closed` is called when the left one is closed.
    """
    gates = Gate(), Gate()
    left = _End(Inbox(gates[1].close, gates[1].open, limit), gates[0], left_closed)
    right = _End(Inbox(gates[0].close, gates[0].open, limit), gates[1])
    left.peer, right.peer = right, left
    return left, right
