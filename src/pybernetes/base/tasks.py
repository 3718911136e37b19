# SPDX-License-Identifier: Apache-2.0
"""Structured concurrency with a fixed order: every task has a parent, failures travel up.

asyncio's own TaskGroup cancels its children in address order, which differs from run to run;
here children are kept in start order and cancelled newest first.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class TaskGroup:
    """`async with TaskGroup("name") as group: group.start(coro, "child")`.

    - Leaving the block waits for every child.
    - The first child that fails cancels the others (newest first); its error is raised.
    - Cancelling the block cancels every child and waits for them.
    - A child that ends is forgotten: a group may live for ever and start millions.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._children: dict[asyncio.Task[Any], None] = {}  # insertion order is start order
        self._failure: BaseException | None = None
        self._closing = False
        self._parent: asyncio.Task[Any] | None = None
        self._parent_waits = False
        self._interrupted = False  # we cancelled the parent to make it look at the failure

    async def __aenter__(self) -> Self:
        self._parent = asyncio.current_task()
        return self

    def start(self, coro: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `coro` as a child. Raises RuntimeError once the group is closing."""
        if self._closing and not self._children:
            coro.close()
            raise RuntimeError(f"task group {self._name} is closed")
        task = asyncio.get_running_loop().create_task(coro, name=f"{self._name}/{name}")
        self._children[task] = None
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel every child, newest first. The block then ends without an error."""
        for task in reversed(list(self._children)):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._children.pop(task, None)
        if task.cancelled() or task.exception() is None:
            return
        if self._failure is None:
            self._failure = task.exception()
            self.cancel()
            if self._parent is not None and not self._parent_waits and not self._parent.done():
                self._interrupted = True
                self._parent.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._closing = True
        self._parent_waits = True
        if error is not None:
            self.cancel()
        cancelled = await self._join()
        if self._interrupted and isinstance(error, asyncio.CancelledError) and self._parent:
            self._parent.uncancel()
            error = None
        if self._failure is not None and (
            error is None or isinstance(error, asyncio.CancelledError)
        ):
            raise self._failure
        if cancelled and error is None:
            raise asyncio.CancelledError
        return error is None

    async def _join(self) -> bool:
        """Wait for the children; True if we were cancelled meanwhile."""
        cancelled = False
        while self._children:
            waiter = asyncio.get_running_loop().create_future()
            last = next(reversed(self._children))

            def wake(_: object, waiter: "asyncio.Future[None]" = waiter) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            last.add_done_callback(wake)
            try:
                await waiter
            except asyncio.CancelledError:
                cancelled = True
                self.cancel()
        return cancelled
