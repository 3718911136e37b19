# SPDX-License-Identifier: Apache-2.0
"""Time to live: remembers deadlines and calls back, through the loop, when some have passed."""

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Iterable

from pybernetes.base.clock import Clock
from pybernetes.base.shared import Shared

Deadline = tuple[float, str, int]  # wall time, key, revision of the write that set it


class Steady(Clock):
    """A clock whose wall time nobody can set: what it was at first, and what has passed since.

    Deadlines are wall time, as they outlive the process. By this clock they are as far off as was asked
    for, whatever is done to the machine's clock meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero = clock.time() - clock.monotonic()

    def time(self) -> float:
        return self._zero + self.monotonic()

    def monotonic(self) -> float:
        return self._clock.monotonic()


class Expiry(Shared):
    """`expire(keys and revisions)` is called once their time has come; the caller deletes them
    if they are still at that revision, so a later write simply leaves an entry that comes to nothing.
    """

    _COMMON = ("_heap",)

    def __init__(
        self,
        clock: Clock,
        expire: Callable[[list[tuple[str, int]]], None],
        deadlines: Iterable[Deadline] = (),
    ) -> None:
        super().__init__()
        self._clock = clock
        self._expire = expire
        self._heap = list(deadlines)
        heapq.heapify(self._heap)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def add(self, deadline: Deadline) -> None:
        self._own()
        heapq.heappush(self._heap, deadline)
        if self._heap[0] is deadline and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.arm()

    def arm(self) -> None:
        """Make sure a timer runs. A fork that is made outside of a loop starts it at its first use."""
        if self._heap and self._timer is None and not self._closed:
            delay = max(0.0, self._heap[0][0] - self._clock.time())
            with contextlib.suppress(RuntimeError):
                self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._own()
        now = self._clock.time()
        due = []
        while self._heap and self._heap[0][0] <= now:
            _, key, revision = heapq.heappop(self._heap)
            due.append((key, revision))
        if due:
            self._expire(due)
        self.arm()

    def deadlines(self) -> list[Deadline]:
        return list(self._heap)

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
