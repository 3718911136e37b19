# SPDX-License-Identifier: Apache-2.0
"""Work that would stall the loop: a thread on wall time, inline on virtual time."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")
_J = TypeVar("_J")


class Offload:
    """Runs blocking functions on behalf of coroutines; this one at once: virtual time has no threads."""

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """The result of `function(*args)`, computed where it does not stall the loop.

        Who is cancelled waits for the end of what has begun, so that nobody finds it half done.
        """
        return function(*args)

    def close(self) -> None:
        """Release the threads."""


class Turns:
    """Gives other threads the interpreter now and then while a busy loop waits for their work.

    A loop that never runs out of callbacks lets go of the interpreter only for the instant in
    which it polls, and has it back before a thread woken by that gets there: threads were measured
    to starve for seconds. So while something is under way the loop really sleeps for a moment,
    the more rarely the longer it takes.
    """

    SHORTEST, LONGEST = 0.0005, 0.02  # seconds between turns
    MOMENT = 0.00005

    def __init__(self) -> None:
        self._under_way = 0
        self._pause = self.SHORTEST
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, count: int = 1) -> None:
        """So many things were handed to a thread. On the loop."""
        self._under_way += count
        if self._timer is None or self._pause > 2 * self.SHORTEST:
            if self._timer is not None:
                self._timer.cancel()
            self._pause = self.SHORTEST
            self._arm()

    def end(self, count: int = 1) -> None:
        """They are done. On the loop."""
        self._under_way -= count

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._turn)

    def _turn(self) -> None:
        self._timer = None
        if self._under_way:
            time.sleep(self.MOMENT)
            self._pause = min(self.LONGEST, self._pause * 1.1)
            self._arm()


class Threads(Offload):
    """A small thread pool, made on first use."""

    def __init__(self, workers: int = 4) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="offload")
        turns = self._turns.setdefault(asyncio.get_running_loop(), Turns())
        turns.begin()
        try:
            job = self._pool.submit(function, *args)
            done = asyncio.wrap_future(job)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                if not job.cancel():
                    await asyncio.wait([done])
                raise
        finally:
            turns.end()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class Worker(Generic[_J]):
    """One thread of its own for something that only one thread may use.

    - `work(jobs)` gets, in order, all jobs that wait: group commit comes by itself.
    - `rest()` is called while nothing waits, as long as it returns True (there is more to do).
    - Both must not raise.
    """

    def __init__(
        self, name: str, work: Callable[[list[_J]], None], rest: Callable[[], bool], limit: int
    ) -> None:
        self._work = work
        self._rest = rest
        self._limit = limit
        self._jobs: SimpleQueue[list[_J] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, jobs: list[_J]) -> None:
        """Hand in jobs, from any thread."""
        self._jobs.put(jobs)

    def stop(self) -> None:
        """Finish the jobs handed in and end the thread. Blocks until then."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        more = True
        while not ended:
            if more and self._jobs.empty():
                more = self._rest()
                continue
            jobs, ended = self._collect()
            if jobs:
                self._work(jobs)
            more = True

    def _collect(self) -> tuple[list[_J], bool]:
        """Wait for jobs and take what is there, up to about `limit`; whether the end was reached."""
        jobs: list[_J] = []
        wait = True
        while len(jobs) < self._limit:
            try:
                some = self._jobs.get(block=wait)
            except Empty:
                break
            if some is None:
                return jobs, True
            jobs += some
            wait = False
        return jobs, False
