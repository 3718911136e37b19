# SPDX-License-Identifier: Apache-2.0
"""An in-memory connection: two Streams, each reading what the other writes."""

from collections.abc import Callable

from pybernetes.wire.stream import HIGH_WATER, Gate, Inbox
from pybernetes.wire.types import Stream


class _End:
    """One end. `_gate` holds our writers back while the other end's inbox is full."""

    def __init__(self, inbox: Inbox, gate: Gate) -> None:
        self._inbox = inbox
        self._gate = gate
        self.peer: _End | None = None
        self.told: Callable[[], None] | None = None  # the peer is closed
        self._write_closed = False

    async def read(self) -> bytes:
        return await self._inbox.read()

    async def write(self, data: bytes) -> None:
        self._gate.check()
        if self._write_closed or self.peer is None:
            raise ConnectionResetError("written to after close")
        self.peer.deliver(bytes(data))
        if self._gate.closed:
            await self._gate.passed()

    def deliver(self, data: bytes) -> None:
        self._inbox.feed(data)

    async def close_write(self) -> None:
        if not self._write_closed and self.peer is not None:
            self._write_closed = True
            self.peer.hear_end()

    def hear_end(self) -> None:
        self._inbox.feed_eof()

    async def close(self) -> None:
        await self.close_write()
        self._inbox.feed_eof()
        self._inbox.clear()
        if self.peer is not None:
            self.peer.hear_close()

    def hear_close(self) -> None:
        self._gate.fail(ConnectionResetError("the other end is closed"))
        if self.told is not None:
            self.told()


def pipe(
    limit: int = HIGH_WATER, left_closed: Callable[[], None] | None = None
) -> tuple[Stream, Stream]:
    """Two connected Streams; a writer waits once more than `limit` bytes are unread.

    `left_closed` is called when the left one is closed.
    """
    gates = Gate(), Gate()
    left = _End(Inbox(gates[1].close, gates[1].open, limit), gates[0])
    right = _End(Inbox(gates[0].close, gates[0].open, limit), gates[1])
    left.peer, right.peer = right, left
    right.told = left_closed
    return left, right
