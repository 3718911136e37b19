# SPDX-License-Identifier: Apache-2.0
"""Threads: results and errors come back, a busy loop does not starve them, a worker gets batches."""

import asyncio
import threading
import time

import pytest

from pybernetes.base.offload import Offload, Threads, Worker


async def test_results_errors_and_the_end() -> None:
    threads = Threads()
    assert await threads.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)
    threads.close()
    with pytest.raises(RuntimeError):
        await threads.run(int)
    assert await Offload().run(threading.get_ident) == threading.get_ident()


async def test_who_is_cancelled_waits_for_what_has_begun_and_drops_the_rest() -> None:
    loop, ran = asyncio.get_running_loop(), list[str]()
    threads, begun, may_end = Threads(1), asyncio.Event(), threading.Event()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(5)
        ran.append("first")

    first = loop.create_task(threads.run(work))
    second = loop.create_task(threads.run(ran.append, "second"))
    await begun.wait()
    for task in (first, second):
        task.cancel()
    await asyncio.wait([second])
    await asyncio.sleep(0.01)
    assert not first.done()
    may_end.set()
    await asyncio.wait([first])
    assert first.cancelled()
    assert second.cancelled()
    assert ran == ["first"]
    threads.close()


async def test_a_busy_loop_lets_threads_work() -> None:
    """A thread that lets go of the interpreter 100 times gets it back each time."""
    threads = Threads()
    done = False

    def polite() -> None:
        for _ in range(100):
            time.sleep(0)

    async def burn() -> None:
        while not done:
            sum(range(3000))
            await asyncio.sleep(0)

    burner = asyncio.get_running_loop().create_task(burn())
    async with asyncio.timeout(5):
        for _ in range(3):
            await threads.run(polite)
    done = True
    await burner
    threads.close()


def test_a_worker_takes_what_waits_together_and_rests_between() -> None:
    batches: list[list[int]] = []
    first = threading.Event()
    rested = threading.Event()
    left = [3]

    def work(jobs: list[int]) -> None:
        first.wait(5)
        batches.append(jobs)

    def rest() -> bool:
        left[0] -= 1
        if left[0] == 0:
            rested.set()
        return left[0] > 0

    worker = Worker("test", work, rest, limit=4)
    assert rested.wait(5)
    left[0] = 1
    worker.put([0])
    for job in range(1, 8):
        worker.put([job])
    first.set()
    worker.stop()
    assert [job for batch in batches for job in batch] == list(range(8))
    assert max(len(batch) for batch in batches) == 4
