# SPDX-License-Identifier: Apache-2.0
"""Structured concurrency with a fixed order: every task has a parent, failures travel up.

asyncio's own TaskGroup cancels its children in address order, which differs from run to run;
here children are kept in start order and cancelled newest first.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from pybernetes.base import logs

_T = TypeVar("_T")
_log = logs.get("tasks")


class TaskGroup:
    """`async with TaskGroup("name") as group: group.start(coro, "child")`.

    - Leaving the block waits for every child.
    - The first failure, a child's or the block's own, cancels the others (newest first) and is
      raised; of the later ones the first is logged.
    - Cancelling the block cancels every child, waits for them, and is never lost: it is what is
      raised even if a child fails meanwhile (then with that failure as its cause).
    - A child that ends is forgotten: a group may live for ever and start millions.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._children: dict[asyncio.Task[Any], None] = {}  # insertion order is start order
        self._failure: BaseException | None = None  # the first child's
        self._told = False  # of a second failure
        self._cancelling = False  # what is started now is cancelled at once
        self._parent: asyncio.Task[Any] | None = None  # None outside of the block
        self._cancels = 0  # of the parent, before the block
        self._interrupted = False  # we cancelled the parent to make it look at the failure
        self._empty: asyncio.Future[None] | None = None  # what the block's end waits for

    async def __aenter__(self) -> Self:
        self._parent = asyncio.current_task()
        assert self._parent is not None
        self._cancels = self._parent.cancelling()
        return self

    def start(self, coro: Coroutine[Any, Any, _T], name: str) -> "asyncio.Task[_T]":
        """Run `coro` as a child. Once the block has been left, RuntimeError."""
        if self._parent is None:
            coro.close()
            raise RuntimeError(f"task group {self._name} is not open")
        task = asyncio.get_running_loop().create_task(coro, name=f"{self._name}/{name}")
        self._children[task] = None
        task.add_done_callback(self._ended)
        if self._cancelling:
            task.cancel()
        return task

    def cancel(self) -> None:
        """Cancel every child, newest first. The block itself goes on and ends without an error."""
        self._cancelling = True
        for task in reversed(list(self._children)):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._children.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(task, error)
        if self._empty is not None and not self._children and not self._empty.done():
            self._empty.set_result(None)

    def _failed(self, task: asyncio.Task[Any], error: BaseException) -> None:
        if self._failure is not None:
            if not self._told:
                _log.warning("Another task of the group failed", task=task.get_name(), err=error)
            self._told = True
            return
        self._failure = error
        self.cancel()
        if self._empty is None and self._parent is not None and not self._parent.done():
            self._interrupted = True
            self._parent.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        parent, first = self._parent, self._failure
        assert parent is not None
        if self._interrupted:
            parent.uncancel()
            if isinstance(error, asyncio.CancelledError) and parent.cancelling() <= self._cancels:
                error = None  # it was ours
        if error is not None:
            self.cancel()
        cancelled = await self._join()
        self._parent = None
        self._raise(first, cancelled or error)

    def _raise(self, first: BaseException | None, error: BaseException | None) -> None:
        """Raise what decides the block's end. `first`: a failure older than `error`."""
        failure = self._failure
        if isinstance(error, asyncio.CancelledError):
            raise error from failure
        if failure is not None and (error is None or first is not None):
            raise failure
        if failure is not None:
            _log.warning("A task of the group failed after its owner", err=failure)
        if error is not None:
            raise error

    async def _join(self) -> asyncio.CancelledError | None:
        """Wait for the children; return the cancellation that came meanwhile."""
        cancelled = None
        while self._children:
            self._empty = asyncio.get_running_loop().create_future()
            try:
                await self._empty
            except asyncio.CancelledError as error:
                cancelled = error
                self.cancel()
        return cancelled


async def gather_ordered(
    coros: Iterable[Coroutine[Any, Any, _T]], name: str = "gather"
) -> list[_T]:
    """Run all at once; their results in the order given. The first failure cancels the rest."""
    async with TaskGroup(name) as group:
        tasks = [group.start(coro, str(index)) for index, coro in enumerate(coros)]
    return [task.result() for task in tasks]


async def failures_of(
    items: Sequence[_T],
    act: Callable[[_T], Awaitable[None]],
    kinds: tuple[type[Exception], ...],
) -> list[tuple[_T, Exception]]:
    """Act on all items at once; those with which it failed, in their order. Other errors are raised."""

    async def one(item: _T) -> Exception | None:
        try:
            await act(item)
        except kinds as error:
            return error
        return None

    errors = await gather_ordered(map(one, items))
    return [(item, error) for item, error in zip(items, errors, strict=True) if error]


async def wait_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether `event` happens before so many seconds are over (None: wait for ever)."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False
