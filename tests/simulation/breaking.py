# SPDX-License-Identifier: Apache-2.0
"""A world that breaks: its control plane crashes between any two commits and starts again on the same
store; answers get lost; caches are stale, those of informers and those of the API servers themselves.
Repeatable from a seed.

What `Faults` says happens until `calm`; nodes and their kubelets live on through all of it. Half of the
worlds have two API servers over the one store, as over one etcd; a request goes to either, by chance.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.server import ApiServer
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
from pybernetes.storage.types import Change, Op, Store, Watch
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
    stale: float = 0.25  # watches that are behind for as long as they live
    behind: tuple[float, float] = (0.3, 5.0)
    cache: float = 0.03  # commits that an API server's own cache gets late, and all behind them
    hiccup: tuple[float, float] = (0.01, 4.0)  # longer than the 3 s that a read waits for it
    servers: int = 0  # 1 or 2; 0: by chance


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


class LateStore:
    """The store as one API server sees it: its watch comes late at times. `shared`: there are others."""

    def __init__(self, store: CrashingStore, shared: bool, late: Callable[[], float]) -> None:
        self._store = store
        self.shared = shared
        self._late = late

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def watch(self, prefix: str, revision: int) -> "LateWatch":
        return LateWatch(self._store.watch(prefix, revision), self._late)


class LateWatch:
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
        self.store = CrashingStore(env)
        self.store.crashed = asyncio.Event()
        self.crashes = 0
        self.log = EventLog(env.clock, self.store)
        self._faults: Faults | None = faults
        self._random = env.random.child("chaos")
        self._count = faults.servers or 1 + self._random.below(2)
        self.plane: ControlPlane | None = None  # while it lives
        self.servers: list[ApiServer] = []  # its API servers that serve
        self._doors: list[Handler] = []  # theirs
        self.lost: Counter[str] = Counter()  # Pods made whose makers do not know it, by owner's uid
        self._exchanges: dict[asyncio.Timeout, None] = {}  # exchanges that a crash breaks
        self.client = self._client_for(ADMIN)
        cache = InProcess(self._route, ADMIN, Decoder())
        self.fleet = HollowFleet(env, self._client_for, numbered(nodes), cache=cache, stages=stages)

    def _client_for(self, user: User) -> InProcess:
        return InProcess(self._route, user)

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
        plane = ControlPlane(self.env, self._seen(), dialer, config)
        others = [
            ApiServer(self.env, config.api, self._seen(), dialer) for _ in range(self._count - 1)
        ]
        plane.handler = self._route
        self.plane = plane
        async with TaskGroup("life") as group:
            for server in others:
                group.start(server.run(), "another API server")
            for server in (plane.api, *others):
                group.start(self._open(server), "door")
            group.start(plane.run(), "control plane")
            await self.store.crashed.wait()
            self.crashes += 1
            self.plane = None
            self.servers.clear()
            self._doors.clear()
            for exchange in list(self._exchanges):
                exchange.reschedule(asyncio.get_running_loop().time())
            group.cancel()

    def _seen(self) -> Store:
        return cast("Store", LateStore(self.store, self._count > 1, self._hiccup))

    def _hiccup(self) -> float:
        if self._faults is None or not self._happens("cache"):
            return 0.0
        return self._random.uniform(*self._faults.hiccup)

    async def _open(self, server: ApiServer) -> None:
        await server.wait_ready()
        self.servers.append(server)
        self._doors.append(self._faulty(server.handler))

    def _route(self, request: Request) -> Reply | Awaitable[Reply]:
        if not self._doors:
            raise ConnectionError("the API server is down")
        return self._random.choice(self._doors)(request)

    def _faulty(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Reply:
            with _broken():
                async with self._breakable():
                    reply = handler(request)
                    reply = await reply if isinstance(reply, Awaitable) else reply
            if self._happens("lost"):
                self._lose(request)
                raise ConnectionError("the answer got lost")
            if isinstance(reply, StreamingResponse):
                reply.chunks = self._lagging(reply.chunks)
            return reply

        return handle

    def _lose(self, request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/pods"):
            for owner in orjson.loads(request.body)["metadata"].get("ownerReferences", ()):
                self.lost[owner["uid"]] += 1

    def _happens(self, what: str) -> bool:
        return self._faults is not None and self._random.uniform(0, 1) < getattr(self._faults, what)

    @contextlib.asynccontextmanager
    async def _breakable(self) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as exchange:
            self._exchanges[exchange] = None
            try:
                yield
            finally:
                del self._exchanges[exchange]

    async def _lagging(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        life = self.crashes
        faults, behind = self._faults, 0.0
        if faults is not None and self._happens("stale"):
            behind = self._random.uniform(*faults.behind)
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
                if self._faults is not None and (behind or self._happens("late")):
                    await asyncio.sleep(behind or self._random.uniform(*self._faults.lag))
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
