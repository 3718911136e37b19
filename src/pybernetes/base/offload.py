# SPDX-License-Identifier: Apache-2.0
"""Work that would stall the loop: a thread on wall time, inline on virtual time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")


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
