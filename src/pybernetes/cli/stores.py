# SPDX-License-Identifier: Apache-2.0
"""A cluster's store, for the verbs about it: through the process that owns it, or opened here."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pybernetes.cli.clusters import Cluster


def offline(work: Callable[[Any], Coroutine[None, None, None]]) -> None:
    """Run `work(env)` here. Raises Told, OSError."""
    from pybernetes.base.env import Env

    env = Env()
    try:
        asyncio.run(work(env))
    finally:
        env.offload.close()


def carry_out(cluster: Cluster, do: str, path: str) -> None:
    """`backup` or `restore`. Raises Told, OSError."""
    request = {"do": do, "path": path}
    if cluster.pid():
        from pybernetes.cli.progress import ask

        return ask(cluster.data_dir, request)

    async def work(env: Any) -> None:
        from pybernetes.cmd import stores
        from pybernetes.cmd.config import ClusterConfig

        async with stores.opened(env, ClusterConfig.read(cluster.data_dir)) as store:
            await stores.REQUESTS[do](env, store, request, told)

    offline(work)


def told(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
