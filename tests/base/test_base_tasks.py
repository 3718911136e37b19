# SPDX-License-Identifier: Apache-2.0
"""Task groups: fixed order of cancellation, failures travel up, no cancellation is lost."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, gather_ordered, wait_within


def virtual(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def started(_: Env) -> Any:
        return await main()

    return virtualtime.run(started)


async def _fail_after(seconds: float, message: str = "boom") -> None:
    await asyncio.sleep(seconds)
    raise ValueError(message)


async def _fail_when_cancelled() -> None:
    try:
        await asyncio.sleep(1000)
    finally:
        raise ValueError("cleanup")


def test_children_are_cancelled_newest_first() -> None:
    ended: list[int] = []

    async def child(index: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(index)

    async def main() -> None:
        async with TaskGroup("g") as group:
            for index in range(50):
                group.start(child(index), str(index))
            group.start(_fail_after(1), "bad")
            await asyncio.sleep(1000)

    with pytest.raises(ValueError, match="boom"):
        virtual(main)
    assert ended == list(reversed(range(50)))


def test_a_failure_interrupts_the_block_and_is_raised_once() -> None:
    async def block() -> None:
        async with TaskGroup("g") as group:
            group.start(_fail_after(1), "bad")
            await asyncio.sleep(1000)

    async def main() -> int:
        with pytest.raises(ValueError, match="boom"):
            await block()
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(1)  # no cancellation is left over
        return task.cancelling()

    assert virtual(main) == 0


def test_a_failure_travels_up_through_nested_groups() -> None:
    async def main() -> None:
        async with TaskGroup("outer") as outer:
            outer.start(_fail_after(5), "bad")
            async with TaskGroup("inner") as inner:
                inner.start(asyncio.sleep(1000), "child")

    with pytest.raises(ValueError, match="boom"):
        virtual(main)


@pytest.mark.parametrize("where", ["body", "end"])
def test_cancellation_is_not_lost_to_a_failing_child(where: str) -> None:
    """A retry loop around a group must still end when it is cancelled."""

    async def retry() -> None:
        while True:
            try:
                async with TaskGroup("g") as group:
                    group.start(_fail_when_cancelled(), "bad")
                    if where == "body":
                        await asyncio.sleep(1000)
            except ValueError:
                await asyncio.sleep(1)

    async def main() -> bool:
        task = asyncio.get_running_loop().create_task(retry())
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert isinstance(caught.value.__cause__, ValueError)
        return task.cancelled()

    assert virtual(main) is True


def test_cancellation_and_failure_at_the_same_moment() -> None:
    async def main() -> bool:
        async def owner() -> None:
            async with TaskGroup("g") as group:
                group.start(_fail_after(1), "bad")
                await asyncio.sleep(1000)

        task = asyncio.get_running_loop().create_task(owner())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(1.0, task.cancel)
        await asyncio.sleep(5)
        return task.cancelled()

    assert virtual(main) is True


def test_a_timeout_around_a_group_is_a_timeout() -> None:
    async def block() -> None:
        async with asyncio.timeout(3), TaskGroup("g") as group:
            group.start(_fail_when_cancelled(), "bad")

    async def main() -> float:
        with pytest.raises(TimeoutError):
            await block()
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert virtual(main) == 4.0


def test_the_first_failure_wins() -> None:
    async def child_first() -> None:
        async with TaskGroup("g") as group:
            group.start(_fail_after(1, "child"), "bad")
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                raise KeyError("body") from None

    async def body_first() -> None:
        async with TaskGroup("g") as group:
            group.start(_fail_when_cancelled(), "bad")
            await asyncio.sleep(1)
            raise KeyError("body")

    with pytest.raises(ValueError, match="child"):
        virtual(child_first)
    with pytest.raises(KeyError, match="body"):
        virtual(body_first)


def test_starting_while_cancelling_and_after_the_end() -> None:
    ran: list[str] = []

    async def note() -> None:
        ran.append("ran")

    async def main() -> None:
        async def late() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                group.start(note(), "late")

        async with TaskGroup("g") as group:
            group.start(late(), "late")
            await asyncio.sleep(1)
            group.cancel()
        with pytest.raises(RuntimeError, match="not open"):
            group.start(note(), "too late")

    virtual(main)
    assert ran == []


def test_gather_keeps_the_order() -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def main() -> float:
        assert await gather_ordered([after(3), after(1), after(2)]) == [3, 1, 2]
        return asyncio.get_running_loop().time()

    assert virtual(main) == 3


def test_waiting_for_an_event_ends_with_it_or_with_the_time() -> None:
    async def main() -> None:
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        start = loop.time()
        loop.call_later(5.0, event.set)
        assert not await wait_within(event, 2.0)
        assert loop.time() - start == 2.0
        assert await wait_within(event, None)
        assert loop.time() - start == 5.0

    virtual(main)
