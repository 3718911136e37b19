# SPDX-License-Identifier: Apache-2.0
"""Work that would stall the loop: a thread on wall time, inline on virtual time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

_T = TypeVar("_T")
_J = TypeVar("_J")


class Offload(Protocol):
    """Runs blocking functions on behalf of coroutines."""

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """The result of `function(*args)`, computed where it does not stall the loop."""

    def close(self) -> None:
        """Release the threads."""


class Threads:
    """A small thread pool, made on first use."""

    def __init__(self, workers: int = 4, name: str = "offload") -> None:
        self._workers = workers
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix=self._name)
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class Inline:
    """Runs at once on the loop: virtual time has no threads."""

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        return function(*args)

    def close(self) -> None:
        """Nothing to release."""


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
