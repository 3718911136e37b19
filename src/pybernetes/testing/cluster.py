# SPDX-License-Identifier: Apache-2.0
"""Public names: `from pybernetes.testing.cluster import Cluster, parse_stages, read_stages, served`."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pybernetes.cmd.in_memory import Cluster
from pybernetes.cri.stagefile import parse as parse_stages
from pybernetes.cri.stagefile import read as read_stages
from pybernetes.cri.stages import Stages

__all__ = ["Cluster", "Stages", "parse_stages", "read_stages", "served"]


@contextlib.contextmanager
def served(cluster: Cluster) -> Iterator[Path]:
    """Run a cluster that nobody runs yet in a thread of its own, for programs that wait, and plain tests.

    Gives the path of its administrator's kubeconfig once pods can be created and run.
    """
    ready: Future[tuple[asyncio.AbstractEventLoop, Path]] = Future()
    end = asyncio.Event()

    async def run() -> None:
        try:
            async with cluster:
                await cluster.wait_working()
                ready.set_result((asyncio.get_running_loop(), await cluster.kubeconfig()))
                await end.wait()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    with ThreadPoolExecutor(1, "cluster") as pool:
        running = pool.submit(asyncio.run, run())
        loop, path = ready.result()
        try:
            yield path
        finally:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(end.set)
            running.result()
