# SPDX-License-Identifier: Apache-2.0
"""How much faster than real time a simulated cluster lives: python -m benchmarks.simulation.

Stock heartbeats. The event log of the same seed is compared between the runs of one shape.
"""

import asyncio
import hashlib
import time

from benchmarks.figures import say
from benchmarks.memory import roll_out
from pybernetes.simulation.world import World, simulate

HOUR = 3600.0


async def an_hour(world: World, pods: int) -> str:
    """A rollout, then a node dies and its pods move, then quiet until an hour is over."""
    await roll_out(world.client, pods)
    world.stop_node("hollow-1")
    await asyncio.sleep(HOUR - world.env.clock.monotonic())
    return hashlib.sha256(world.log.text().encode()).hexdigest()


def measure(nodes: int, pods: int, rounds: int) -> None:
    digests: dict[str, None] = {}
    best = HOUR
    for _ in range(rounds):
        begun = time.perf_counter()
        digests[simulate(lambda world: an_hour(world, pods), seed=1, nodes=nodes)] = None
        best = min(best, time.perf_counter() - begun)
    logs = f"{rounds} runs, {len(digests)} event log{'s' * (len(digests) > 1)}"
    say(f"{nodes} nodes, {pods} pods, one hour", f"{best:8.1f} s, {HOUR / best:,.0f} x, {logs}")


def main() -> None:
    measure(10, 50, 2)
    measure(50, 500, 2)
    measure(100, 1000, 1)


if __name__ == "__main__":
    main()
