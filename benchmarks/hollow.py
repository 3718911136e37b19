# SPDX-License-Identifier: Apache-2.0
"""1,000 hollow nodes and 10,000 pods in one process: python -m benchmarks.hollow [NODES [PODS [STORE]]].

The whole process: API server, controllers, scheduler, kubelets. STORE: sqlite (default: on disk, as
`pybernetes up` has it) or memory. Stock heartbeats: a lease every 10 s, a status every 5 minutes.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import pss, say
from benchmarks.memory import roll_out
from pybernetes.base import gcpolicy
from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.sqlite.driver import SqliteConfig, SqliteStore
from pybernetes.storage.types import Store
from pybernetes.testing.cluster import Cluster

IDLE = 30.0


async def idle(what: str, store: Store) -> None:
    """What heartbeats cost."""
    used, revision = time.process_time(), store.revision
    await asyncio.sleep(IDLE)
    share = (time.process_time() - used) / IDLE * 100
    say(what, f"{share:8.1f} % of one core, {(store.revision - revision) / IDLE:.0f} writes/s")


async def measure(env: Env, store: Store, nodes: int, pods: int) -> None:
    begun = time.perf_counter()
    async with Cluster(env, nodes=nodes, store=store) as cluster:
        await cluster.wait_working(600)
        say(f"{nodes} hollow nodes Ready", f"{time.perf_counter() - begun:8.1f} s {pss():8.0f} MB")
        await idle("their heartbeats", store)
        begun, used = time.perf_counter(), time.process_time()
        await roll_out(cluster.client(), pods)
        took, used = time.perf_counter() - begun, time.process_time() - used
        say(f"{pods} pods Running", f"{took:8.1f} s {pods / took:8.0f} pods/s, {used:.0f} s of CPU")
        say("memory right then (PSS)", f"{pss():8.0f} MB")
        await idle("heartbeats with them", store)
        gcpolicy.freeze()
        say("memory after that (PSS)", f"{pss():8.0f} MB")


async def main(nodes: str = "1000", pods: str = "10000", kind: str = "sqlite") -> None:
    gcpolicy.tune()
    env = Env()
    say("an empty process (PSS)", f"{pss():8.0f} MB")
    with tempfile.TemporaryDirectory(prefix="hollow") as folder:
        store: Store = MemoryStore(env)
        if kind == "sqlite":
            store = await SqliteStore.open(env, SqliteConfig(Path(folder) / "store.db"))
        await measure(env, store, int(nodes), int(pods))
    env.offload.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
