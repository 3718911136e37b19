# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for a fresh in-memory cluster: python -m benchmarks.fixture.

A cluster is there when a pod can be created and would run: controllers, scheduler and one hollow
node work. Only the first of a process also imports the code.
"""

import asyncio
import statistics
import time

from benchmarks.figures import pss, say

ROUNDS = 20


async def main() -> None:
    begun = time.perf_counter()
    from pybernetes.testing.cluster import Cluster

    imported = time.perf_counter() - begun
    ready: list[float] = []
    gone: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        async with Cluster(nodes=1) as cluster:
            await cluster.wait_working()
            there = time.perf_counter()
        ready.append(there - begun)
        gone.append(time.perf_counter() - there)
    say("imports, once a process", f"{imported * 1000:8.0f} ms")
    say("first cluster after them", f"{ready[0] * 1000:8.0f} ms")
    say("fresh cluster, median (slowest)", f"{_ms(ready)} ({max(ready[1:]) * 1000:.0f} ms)")
    say("its end, median", _ms(gone))
    say("memory of the process (PSS)", f"{pss():8.0f} MB after {ROUNDS} clusters")


def _ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1000:8.0f} ms"


if __name__ == "__main__":
    asyncio.run(main())
