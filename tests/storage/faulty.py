# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.storage.faulty PATH SECONDS SEED`: a recorded load over a disk that fails.

Runs under the fault layer (faults.py), whose counters it sets itself: syncs and writes that fail,
a full disk, short writes, reopening, compaction. Prints the verdict; exits 1 on a violation.
"""

import asyncio
import mmap
import os
import struct
import sys
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from tests.storage.faults import ALWAYS, SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT
from tests.storage.workload import Fault, Load, compaction, run


def control() -> mmap.mmap:
    with Path(os.environ["FAULT_CONTROL"]).open("r+b") as file:
        return mmap.mmap(file.fileno(), 4096)


def fault(counters: mmap.mmap, which: int) -> Fault:
    """A few calls fail, or all of them for a moment."""

    async def act(load: Load) -> None:
        count = load.draw.choice([1, 2, ALWAYS])
        struct.pack_into("i", counters, which * 4, count)
        await asyncio.sleep(0.05)
        struct.pack_into("i", counters, which * 4, 0)

    return act


async def main(path: Path, seconds: float, seed: int) -> bool:
    env, counters = Env(), control()
    config = SqliteConfig(path)

    async def reopen(load: Load) -> None:
        await load.store.close()
        load.store = await SqliteStore.open(env, config)

    kinds = (SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT)
    faults = [compaction, reopen, *(fault(counters, kind) for kind in kinds)]
    load = Load(await SqliteStore.open(env, config), Random(seed))
    verdict = await run(load, faults, seconds)
    print(verdict, *verdict.violations[:5], sep="\n")
    await load.store.close()
    return not verdict.violations and verdict.operations > 100 * verdict.seconds


if __name__ == "__main__":
    fine = asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.flush()
    os._exit(0 if fine else 1)
