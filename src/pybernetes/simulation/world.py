# SPDX-License-Identifier: Apache-2.0
"""A simulated world: a whole cluster of hollow nodes on virtual time, and what may happen to it.

def main():
    result = simulate(scenario, seed=7, nodes=50)

async def scenario(world: World) -> str:
    await world.client.create(...)
    world.stop_node("hollow-3")
    await world.wait_for(lambda: ..., seconds=600)
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pybernetes.base import gcpolicy, virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.inprocess import InProcess
from pybernetes.cmd.control_plane import ControlPlaneConfig
from pybernetes.cmd.in_memory import Cluster
from pybernetes.cri.hollow import Delays
from pybernetes.cri.stages import Stages
from pybernetes.simulation.eventlog import EventLog

_T = TypeVar("_T")


class World:
    """What a scenario works with. Waiting is free: virtual time jumps to the next timer."""

    def __init__(self, env: Env, cluster: Cluster, log: EventLog) -> None:
        self.env = env
        self.cluster = cluster
        self.client: InProcess = cluster.client()
        self.log = log

    def stop_node(self, name: str) -> None:
        """The node's power goes: no more heartbeats, its containers are gone."""
        self.cluster.fleet.stop(name)

    def start_node(self, name: str) -> None:
        self.cluster.fleet.start(name)

    async def wait_for(
        self, condition: Callable[[], Awaitable[bool]], *, seconds: float, step: float = 1.0
    ) -> float:
        """Virtual seconds until `condition` held, asked every `step`. Raises TimeoutError."""
        start = self.env.clock.monotonic()
        async with asyncio.timeout(seconds):
            while True:
                if await condition():
                    return self.env.clock.monotonic() - start
                await asyncio.sleep(step)


def simulate(
    scenario: Callable[[World], Awaitable[_T]],
    *,
    seed: int = 0,
    nodes: int = 1,
    config: ControlPlaneConfig | None = None,
    stages: Stages | None = None,
) -> _T:
    """Run `scenario` to its end in a fresh world; the same seed gives the same run, byte for byte."""

    async def main(env: Env) -> _T:
        cluster = Cluster(env, nodes=nodes, config=config, stages=stages, delays=Delays())
        async with cluster, TaskGroup("world") as group:
            log = EventLog(env.clock, cluster.store)
            follower = group.start(log.run(), "event log")
            try:
                await cluster.wait_working()
                return await scenario(World(env, cluster, log))
            finally:
                follower.cancel()

    with gcpolicy.tuned():
        return virtualtime.run(main, seed)
