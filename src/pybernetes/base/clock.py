# SPDX-License-Identifier: Apache-2.0
"""Clocks. Nobody outside this room reads the machine's time; everyone is handed a Clock."""

import asyncio
import datetime
import time

UTC = datetime.UTC
VIRTUAL_EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z: where virtual time begins


class Clock:
    """The machine's clocks. Waiting is done on the event loop (asyncio.sleep)."""

    def time(self) -> float:
        """Wall time: seconds since the Unix epoch, for timestamps."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back, for durations."""
        return time.monotonic()

    def now(self) -> datetime.datetime:
        """Wall time as an aware UTC datetime."""
        return datetime.datetime.fromtimestamp(self.time(), UTC)


class LoopClock(Clock):
    """A clock that shows the event loop's own time since VIRTUAL_EPOCH, for the virtual-time loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        return VIRTUAL_EPOCH + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()
