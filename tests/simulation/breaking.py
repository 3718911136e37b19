# SPDX-License-Identifier: Apache-2.0
"""A world that breaks: API servers crash between any two commits, controllers and scheduler with or without
them; answers get lost; caches are stale, those of informers and those of the API servers themselves.
Repeatable from a seed.

What `Faults` says happens until `calm`; nodes and their kubelets live on through all of it. Half of the
worlds have two API servers over the one store, as over one etcd; a request goes to either, by chance.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base import gcpolicy, virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.inprocess import InProcess, decoder
from pybernetes.cmd.hollow import HollowFleet, numbered
from pybernetes.cmd.identities import ADMIN, SCHEDULER
from pybernetes.cmd.in_memory import POD_RANGE
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.manager import MANAGER, Manager, identity
from pybernetes.cri.stages import Stages
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.simulation.eventlog import EventLog
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import Change, Op, Store, Watch
from pybernetes.wire.types import Reply, Request, StreamingResponse

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances per request or event, and ranges in seconds; a crash comes after 1 to `commits` more."""

    commits: int = 60
    outage: tuple[float, float] = (0.1, 5.0)  # until what crashed is started again
    alone: float = 0.4  # crashes of an API server which controllers and scheduler outlive
    lost: float = 0.02  # requests that are carried out, and never answered
    drop: float = 0.01  # events at which a watch breaks
    late: float = 0.05  # events that come late, and all behind them
    lag: tuple[float, float] = (0.01, 4.0)
    stale: float = 0.25  # watches that are behind for as long as they live
    behind: tuple[float, float] = (0.3, 5.0)
    cache: float = 0.03  # commits that an API server's own cache gets late, and all behind them
    hiccup: tuple[float, float] = (0.01, 4.0)  # longer than the 3 s that a read waits for it
    servers: int = 0  # 1 or 2; 0: by chance


class Server:
    """One life of an API server. It sees the store through us: its watch comes late at times, and the
    commit at which it crashes is made, but it never hears of it, nor makes another.
    """

    def __init__(self, world: "ChaosWorld", config: Config, dialer: Nodes) -> None:
        self._world = world
        self.shared = world.count > 1
        self.crashed = asyncio.Event()
        self.exchanges: dict[asyncio.Timeout, None] = {}  # which its crash breaks
        self.api = ApiServer(world.env, config, cast("Store", self), dialer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.store, name)

    async def write(self, ops: Sequence[Op]) -> int:
        if not self.crashed.is_set():
            before = self._world.store.revision
            revision = await self._world.store.write(ops)
            if revision > before and self._world.crashes_now():
                self.crashed.set()
        if self.crashed.is_set():
            await asyncio.get_running_loop().create_future()  # until we are cancelled
        return revision

    def watch(self, prefix: str, revision: int) -> "LateWatch":
        return LateWatch(self._world.store.watch(prefix, revision), self._world.hiccup)

    @contextlib.asynccontextmanager
    async def breakable(self) -> AsyncIterator[None]:
        """Raises ConnectionError when it crashes."""
        try:
            async with asyncio.timeout(None) as exchange:
                self.exchanges[exchange] = None
                try:
                    yield
                finally:
                    del self.exchanges[exchange]
        except TimeoutError:
            raise ConnectionError("the API server crashed") from None

    def break_off(self) -> None:
        for exchange in list(self.exchanges):
            exchange.reschedule(asyncio.get_running_loop().time())


class LateWatch:
    """A watch of the store whose batches come late, by what `late()` says: seconds."""

    def __init__(self, watch: Watch, late: Callable[[], float]) -> None:
        self._watch = watch
        self._late = late
        self.close = watch.close

    @property
    def revision(self) -> int:
        return self._watch.revision

    def __aiter__(self) -> AsyncIterator[Sequence[Change]]:
        return self

    async def __anext__(self) -> Sequence[Change]:
        batch = await anext(aiter(self._watch))
        if seconds := self._late():
            await asyncio.sleep(seconds)
        return batch


class ChaosWorld:
    """What a scenario works with. `client` sees the faults, too: ConnectionError is to be expected."""

    def __init__(self, env: Env, faults: Faults, nodes: int, stages: Stages | None) -> None:
        self.env = env
        self.store = MemoryStore(env)
        self.crashes = 0
        self.log = EventLog(env.clock, self.store)
        self._faults: Faults | None = faults
        self._random = env.random.child("chaos")
        self.count = faults.servers or 1 + self._random.below(2)
        self._left = self._commits()
        self.servers: list[Server] = []  # that serve
        self.informers: list[Informers] = []  # of controllers and scheduler
        self._control_dies = asyncio.Event()
        self.lost = Counter[str]()  # made, and their makers may not know it; by owner's UID
        self.client = self._client_for(ADMIN)
        cache = self._client_for(ADMIN, decoder())
        self.fleet = HollowFleet(env, self._client_for, numbered(nodes), cache=cache, stages=stages)

    def _client_for(self, user: User, decode: Callable[[bytes], Any] | None = None) -> InProcess:
        return InProcess(self._route, user, decode)

    def calm(self) -> None:
        """From now on nothing breaks; what is down comes back."""
        self._faults, self._left = None, 0

    def _commits(self) -> int:
        return 1 + self._random.below(self._faults.commits) if self._faults else 0

    def crashes_now(self) -> bool:
        """A commit was made: does the API server that made it crash?"""
        self._left -= 1
        if self._left:
            return False
        self._left = self._commits()
        return True

    def hiccup(self) -> float:
        """Seconds by which a cache gets a commit late."""
        if self._faults is None or not self._happens("cache"):
            return 0.0
        return self._random.uniform(*self._faults.hiccup)

    def _happens(self, what: str) -> bool:
        return self._faults is not None and self._random.uniform(0, 1) < getattr(self._faults, what)

    async def _outage(self) -> None:
        await asyncio.sleep(self._random.uniform(*self._faults.outage if self._faults else (0, 1)))

    async def run(self) -> None:
        """Crash and start again until cancelled."""
        async with TaskGroup("world") as group:
            group.start(self.log.run(), "log")
            group.start(self.fleet.run(), "nodes")
            for number in range(self.count):
                group.start(self._serve(), f"API server {number}")
            while True:
                await self._control()
                await self._outage()

    async def _serve(self) -> None:
        dialer = Nodes(self.env, None)
        for name, handler in self.fleet.handlers.items():
            dialer.add_local(name, handler)
        while True:
            server = Server(self, Config(), dialer)
            async with TaskGroup("life") as group:
                group.start(server.api.run(), "apiserver")
                group.start(self._open(server), "door")
                await server.crashed.wait()
                self.crashes += 1
                if server in self.servers:
                    self.servers.remove(server)
                server.break_off()
                group.cancel()
            if not self._happens("alone"):
                self._control_dies.set()
            await self._outage()

    async def _open(self, server: Server) -> None:
        await server.api.wait_ready()
        self.servers.append(server)

    async def _control(self) -> None:
        """One life of controllers and scheduler."""
        self._control_dies.clear()
        decode = decoder()
        manager = Manager(
            self.env,
            lambda name: self._client_for(identity(name), decode if name == MANAGER else None),
            ControllersConfig(cluster_cidrs=POD_RANGE),
        )
        informers = Informers(self.env, self._client_for(SCHEDULER, decode))
        scheduler = Scheduler(self.env, self._client_for(SCHEDULER), informers=informers)
        self.informers = [manager.informers, informers]
        async with TaskGroup("control") as group:
            group.start(manager.run(), "controllers")
            group.start(scheduler.run(), "scheduler")
            await self._control_dies.wait()
            group.cancel()

    async def _route(self, request: Request) -> Reply:
        if not self.servers:
            raise ConnectionError("the API server is down")
        server = self._random.choice(self.servers)
        try:
            async with server.breakable():
                reply = server.api.handler(request)
                reply = await reply if isinstance(reply, Awaitable) else reply
            if self._happens("lost"):
                raise ConnectionError("the answer got lost")
        except ConnectionError:
            self._lose(request)
            raise
        if isinstance(reply, StreamingResponse):
            reply.chunks = self._lagging(server, reply.chunks)
        return reply

    def _lose(self, request: Request) -> None:
        if request.method == "POST" and request.path.endswith(("/pods", "/replicasets")):
            for owner in orjson.loads(request.body)["metadata"].get("ownerReferences", ()):
                self.lost[owner["uid"]] += 1

    async def _lagging(self, server: Server, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        faults, behind = self._faults, 0.0
        if faults is not None and self._happens("stale"):
            behind = self._random.uniform(*faults.behind)
        try:
            while True:
                if server.crashed.is_set():  # while an event was on its way
                    raise ConnectionError("the API server crashed")
                async with server.breakable():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                if self._happens("drop"):
                    raise ConnectionError("the watch broke off")
                if self._faults is not None and (behind or self._happens("late")):
                    await asyncio.sleep(behind or self._random.uniform(*self._faults.lag))
                yield chunk
        finally:
            await cast("AsyncGenerator[bytes, None]", chunks).aclose()


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
