# SPDX-License-Identifier: Apache-2.0
"""The work queue's guarantees, in virtual time."""

import asyncio

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.base.virtualtime import run
from pybernetes.client.queue import WorkQueue


def test_keys_are_worked_on_once_and_in_order() -> None:
    async def main(env: Env) -> None:
        queue: WorkQueue[str] = WorkQueue(env, "test")
        for key in ("a", "b", "a"):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        queue.add("a")  # while it is being worked on: comes again, but only after done
        assert len(queue) == 0
        queue.done("b")
        assert len(queue) == 0
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert queue.idle
        assert env.metrics.get_sample_value("workqueue_adds_total", {"name": "test"}) == 3

    run(main)


def test_the_earliest_of_several_delays_wins() -> None:
    async def main(env: Env) -> None:
        queue: WorkQueue[str] = WorkQueue(env)
        queue.add_after("late", 3600)
        queue.add_after("key", 50)
        queue.add_after("key", 20)
        start = env.clock.monotonic()
        assert await queue.get() == "key"
        assert round(env.clock.monotonic() - start) == 20
        queue.done("key")
        assert await queue.get() == "late"
        assert round(env.clock.monotonic() - start) == 3600
        assert len(queue) == 0

    run(main)


def test_failures_wait_longer_each_time_until_forgotten() -> None:
    async def main(env: Env) -> None:
        queue: WorkQueue[str] = WorkQueue(env)
        waits = []
        for _ in range(4):
            start = env.clock.monotonic()
            queue.add_rate_limited("key")
            queue.done(await queue.get())
            waits.append(round((env.clock.monotonic() - start) * 1000))
        assert waits == [5, 10, 20, 40]
        queue.forget("key")
        queue.add_rate_limited("key")
        start = env.clock.monotonic()
        await queue.get()
        assert round((env.clock.monotonic() - start) * 1000) == 5

    run(main)


def test_a_cancelled_worker_does_not_swallow_a_key() -> None:
    async def main(env: Env) -> None:
        queue: WorkQueue[str] = WorkQueue(env)
        got: list[str] = []

        async def work() -> None:
            got.append(await queue.get())

        async with TaskGroup("test") as group:
            first = group.start(work(), "first")
            group.start(work(), "second")
            await asyncio.sleep(0)
            queue.add("key")
            first.cancel()
        assert got == ["key"]

    run(main)
