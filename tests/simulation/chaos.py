# SPDX-License-Identifier: Apache-2.0
"""Workloads in a world that breaks, and what must hold: python -m tests.simulation.chaos SEED [COUNT].

COUNT seeds from SEED on (default: one); it stops at the first that fails, and tells what is not as it must be.
The world is breaking.py, the user story.py; laws.py says what holds at every moment, ending.py what in the end.
"""

import asyncio
import hashlib
import itertools
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from math import inf
from multiprocessing import get_context
from typing import NamedTuple

from pybernetes.base.tasks import TaskGroup
from tests.simulation.breaking import ChaosWorld, simulate
from tests.simulation.ending import faults_of, restless, stale
from tests.simulation.laws import Laws, no_bugs, watch_nodes, watch_reads
from tests.simulation.story import STAGES, Story

LONGEST = 1000.0  # virtual seconds of faults
PATIENCE = 300.0  # virtual seconds of calm until all must be well


class Outcome(NamedTuple):
    """`digest`: of the log of changes; `settled`: virtual seconds of calm until all was well."""

    digest: str
    crashes: int
    settled: float


async def scenario(world: ChaosWorld) -> Outcome:
    """The user asks, all breaks, then it is calm: until all is well. Raises AssertionError."""
    async with TaskGroup("laws") as group:
        group.start(Laws(world).run(), "changes")
        group.start(watch_nodes(world), "nodes")
        group.start(watch_reads(world), "reads")
        story = Story(world)
        async with asyncio.timeout(LONGEST):
            await story.tell()
        world.calm()
        settled = await _settle(world, story)
        group.cancel()
    digest = hashlib.sha256(world.log.text().encode()).hexdigest()
    return Outcome(digest, world.crashes, settled)


async def _settle(world: ChaosWorld, story: Story) -> float:
    """Virtual seconds until all is well."""
    clock = world.env.clock
    start = clock.monotonic()
    while True:
        faults = await faults_of(world, story)
        took = clock.monotonic() - start
        faults = faults or [f"still written: {key}" for key in await restless(world)]
        faults = faults or [f"stale: {key}" for key in stale(world)]
        if not faults:
            return took
        if clock.monotonic() - start > PATIENCE:
            raise AssertionError("\n".join(faults))
        await asyncio.sleep(10)


def play(seed: int) -> Outcome:
    """Raises AssertionError that says how to see it again."""
    try:
        with no_bugs():
            return simulate(scenario, seed=seed, stages=STAGES)
    except BaseException as error:
        error.add_note(f"replay: python -m tests.simulation.chaos {seed}")
        raise


def tried(seed: int) -> str:
    """What went wrong; "" if nothing did."""
    try:
        play(seed)
    except Exception as error:  # noqa: BLE001  (it is told)
        return "".join(traceback.format_exception(error))
    return ""


def many(seeds: Iterable[int], until: float = inf) -> tuple[int, list[str]]:
    """(how many were tried on all processors, what went wrong); no new ones after `until` (monotonic)."""
    workers = os.cpu_count() or 1
    failures: list[str] = []
    count, waiting = 0, iter(seeds)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, logging.disable, (logging.WARNING,)) as pool:
        while not failures and time.monotonic() < until:
            round_ = list(itertools.islice(waiting, 5 * workers))
            if not round_:
                break
            failures += [text for text in pool.map(tried, round_) if text]
            count += len(round_)
    return count, failures


def main(first: int, count: int) -> None:
    logging.disable(logging.WARNING)
    for seed in range(first, first + count):
        begun = time.perf_counter()
        run = play(seed)
        took = f"{time.perf_counter() - begun:.1f} s"
        print(
            f"seed {seed}: {run.crashes} crashes, well after {run.settled:.0f} s, {run.digest}, {took}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1)
