# SPDX-License-Identifier: Apache-2.0
"""A world that breaks: its control plane crashes between any two commits and starts again on the same
store; answers get lost, watches lag and drop, so that all caches are stale. Repeatable from a seed.

What `Faults` says happens until `calm`; nodes and their kubelets live on through all of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from pybernetes.apimachinery.types import User
from pybernetes.base import gcpolicy, virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.inprocess import Decoder, InProcess
from pybernetes.cmd.control_plane import ControlPlane, ControlPlaneConfig
from pybernetes.cmd.hollow import HollowFleet, numbered
from pybernetes.cmd.identities import ADMIN
from pybernetes.cmd.in_memory import POD_RANGE
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.cri.stages import Stages
from pybernetes.simulation.eventlog import EventLog
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import Op
from pybernetes.wire.types import Handler, Reply, Request, StreamingResponse

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances per request or event, and ranges in seconds; a crash comes after 1 to `commits` more."""

    commits: int = 60
    outage: tuple[float, float] = (0.1, 5.0)  # until it is started again
    lost: float = 0.02  # requests that are carried out, and never answered
    drop: float = 0.01  # events at which a watch breaks
    late: float = 0.05  # events that come late, and all behind them
    lag: tuple[float, float] = (0.01, 4.0)


class CrashingStore(MemoryStore):
    """Sets `crashed` when the commit that was chosen is made; its writer never hears of it."""

    crashed: asyncio.Event
    left = 0  # commits until the crash; 0: none is to come

    async def write(self, ops: Sequence[Op]) -> int:
        before = self.revision
        revision = await super().write(ops)
        if self.left and revision > before:
            self.left -= 1
            if not self.left:
                self.crashed.set()
        if self.crashed.is_set():
            await asyncio.get_running_loop().create_future()  # until we are cancelled
        return revision


class ChaosWorld:
    """What a scenario works with. `client` sees the faults, too: ConnectionError is to be expected."""

    def __init__(self, env: Env, faults: Faults, nodes: int, stages: Stages | None) -> None:
        self.env = env
        self.store = CrashingStore(env)
        self.store.crashed = asyncio.Event()
        self.crashes = 0
        self.log = EventLog(env.clock, self.store)
        self._faults: Faults | None = faults
        self._random = env.random.child("chaos")
        self._target: Handler | None = None
        self._open: dict[asyncio.Timeout, None] = {}  # exchanges that a crash breaks
        self.client = self._client_for(ADMIN)
        cache = InProcess(self._through, ADMIN, Decoder())
        self.fleet = HollowFleet(env, self._client_for, numbered(nodes), cache=cache, stages=stages)

    def _client_for(self, user: User) -> InProcess:
        return InProcess(self._through, user)

    def calm(self) -> None:
        """From now on nothing breaks; a control plane that is down comes back."""
        self._faults, self.store.left = None, 0

    async def run(self) -> None:
        """Crash and start again until cancelled."""
        async with TaskGroup("world") as group:
            group.start(self.log.run(), "log")
            group.start(self.fleet.run(), "nodes")
            while True:
                await self._live()
                await asyncio.sleep(
                    self._random.uniform(*self._faults.outage if self._faults else (0, 1))
                )

    async def _live(self) -> None:
        """One life of the control plane, up to its crash."""
        self.store.crashed.clear()
        self.store.left = 1 + self._random.below(self._faults.commits) if self._faults else 0
        config = ControlPlaneConfig(controllers=ControllersConfig(cluster_cidrs=POD_RANGE))
        dialer = Nodes(self.env, None)
        for name, handler in self.fleet.handlers.items():
            dialer.add_local(name, handler)
        plane = ControlPlane(self.env, self.store, dialer, config)
        plane.handler = self._faulty(plane.api.handler)
        async with TaskGroup("life") as group:
            group.start(plane.run(), "control plane")
            group.start(self._open_up(plane), "door")
            await self.store.crashed.wait()
            self.crashes += 1
            self._target = None
            for exchange in list(self._open):
                exchange.reschedule(asyncio.get_running_loop().time())
            group.cancel()

    async def _open_up(self, plane: ControlPlane) -> None:
        await plane.wait_ready()
        self._target = plane.handler

    def _through(self, request: Request) -> Reply | Awaitable[Reply]:
        if self._target is None:
            raise ConnectionError("the API server is down")
        return self._target(request)

    def _faulty(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Reply:
            with _broken():
                async with self._breakable():
                    reply = handler(request)
                    reply = await reply if isinstance(reply, Awaitable) else reply
            if self._happens("lost"):
                raise ConnectionError("the answer got lost")
            if isinstance(reply, StreamingResponse):
                reply.chunks = self._lagging(reply.chunks)
            return reply

        return handle

    def _happens(self, what: str) -> bool:
        return self._faults is not None and self._random.uniform(0, 1) < getattr(self._faults, what)

    @contextlib.asynccontextmanager
    async def _breakable(self) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as exchange:
            self._open[exchange] = None
            try:
                yield
            finally:
                del self._open[exchange]

    async def _lagging(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        life = self.crashes
        try:
            while True:
                if self.crashes > life:  # while an event was on its way
                    raise ConnectionError("the API server crashed")
                with _broken():
                    async with self._breakable():
                        chunk = await anext(chunks, None)
                if chunk is None:
                    return
                if self._happens("drop"):
                    raise ConnectionError("the watch broke off")
                if self._faults is not None and self._happens("late"):
                    await asyncio.sleep(self._random.uniform(*self._faults.lag))
                yield chunk
        finally:
            await cast("AsyncGenerator[bytes, None]", chunks).aclose()


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise ConnectionError("the API server crashed") from None


def simulate(
    scenario: Callable[[ChaosWorld], Awaitable[_T]],
    *,
    seed: int,
    nodes: int = 2,
    faults: Faults | None = None,
    stages: Stages | None = None,
) -> _T:
    """Run `scenario` to its end in a world that breaks; the same seed gives the same run."""

    async def main(env: Env) -> _T:
        async with TaskGroup("chaos") as group:
            world = ChaosWorld(env, faults or Faults(), nodes, stages)
            group.start(world.run(), "world")
            result = await scenario(world)
            group.cancel()
        return result

    with gcpolicy.tuned():
        return virtualtime.run(main, seed)
