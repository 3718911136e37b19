# SPDX-License-Identifier: Apache-2.0
"""Virtual time: jumps exactly, repeats exactly, and says what it cannot do."""

import asyncio
import time

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup


def test_a_year_of_waiting_takes_no_time() -> None:
    async def main(env: Env) -> tuple[float, str]:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time(), env.clock.now().isoformat()

    before = time.monotonic()
    assert virtualtime.run(main) == (365 * 86400.0, "2027-01-01T00:00:00+00:00")
    assert time.monotonic() - before < 5


def test_timers_fire_at_their_exact_moment() -> None:
    async def main(env: Env) -> list[float]:
        seen = []
        for _ in range(1000):
            await asyncio.sleep(0.1)
            seen.append(env.clock.monotonic())
        return seen

    expected, now = [], 0.0
    for _ in range(1000):
        now += 0.1
        expected.append(now)
    assert virtualtime.run(main) == expected


def test_timeouts_and_queues_work() -> None:
    async def main(env: Env) -> float:
        queue: asyncio.Queue[int] = asyncio.Queue()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await queue.get()
        return env.clock.monotonic()

    assert virtualtime.run(main) == 30.0


def test_a_seed_repeats_a_run() -> None:
    async def main(env: Env) -> list[str]:
        trace: list[str] = []

        async def worker(name: str) -> None:
            draw = env.random.child(name)
            for _ in range(20):
                await asyncio.sleep(draw.uniform(0, 3))
                trace.append(f"{env.clock.monotonic():.9f} {name} {draw.uuid()}")

        async with TaskGroup("workers") as group:
            for index in range(5):
                group.start(worker(f"w{index}"), f"w{index}")
        return trace

    assert virtualtime.run(main, 7) == virtualtime.run(main, 7)
    assert virtualtime.run(main, 7) != virtualtime.run(main, 8)


def test_deadlock_names_who_waits() -> None:
    async def main(_: Env) -> None:
        async with TaskGroup("cluster") as group:
            group.start(asyncio.Event().wait(), "scheduler")

    with pytest.raises(virtualtime.Deadlock, match=r"cluster/scheduler at "):
        virtualtime.run(main)


def test_sockets_and_threads_are_refused() -> None:
    async def main(env: Env) -> int:
        with pytest.raises(RuntimeError, match="no sockets"):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(int)
        return await env.offload.run(int, "7")

    assert virtualtime.run(main) == 7


def test_what_main_leaves_behind_is_ended() -> None:
    ended = []

    async def stray() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(True)

    async def main(_: Env) -> None:
        asyncio.get_running_loop().create_task(stray())
        await asyncio.sleep(1)

    virtualtime.run(main)
    assert ended == [True]
