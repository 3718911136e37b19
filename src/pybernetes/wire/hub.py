# SPDX-License-Identifier: Apache-2.0
"""What the connections of one listener share: handler, limits, a coarse clock, a parent for tasks."""

import asyncio
import email.utils
import logging
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.wire.types import Handler, Reply, Request, Response

log = logging.getLogger("pybernetes.wire")
_TICK = 1.0  # seconds; deadlines and the Date header are this coarse


def refusal(status: int, text: str) -> Response:
    """The answer to what never reaches the handler."""
    return Response(status, text.encode(), "text/plain; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of a listener. Sizes in bytes, times in seconds."""

    header_bytes: int = 256 * 1024
    body_bytes: int = 3 * 1024 * 1024
    header_timeout: float = 32.0
    body_timeout: float = 60.0
    idle_timeout: float = 90.0
    connections: int = 20_000


class Member(Protocol):
    """What the hub knows of a connection."""

    deadline: float

    def retire(self) -> None: ...

    def expire(self) -> None: ...

    def abort(self) -> None: ...


class Hub:
    """Every connection asks it; it ends those that are late. It ticks only while there are any."""

    def __init__(self, env: Env, handler: Handler, limits: Limits) -> None:
        self._handler = handler
        self.limits = limits
        self.now = 0.0
        self.date = b""
        self.draining = False
        self.members: dict[Member, None] = {}
        self._env = env
        self._group = TaskGroup("connections")
        self._emptied = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        await self._group.__aenter__()

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run a request's `work`, which must not raise."""
        return self._group.start(work, "request")

    def welcome(self, member: Member) -> bool:
        """Count a new connection in; False: there are too many."""
        if self.draining or len(self.members) >= self.limits.connections:
            return False
        if self._timer is None:
            self._tick()
        self.members[member] = None
        return True

    def farewell(self, member: Member) -> None:
        self.members.pop(member, None)
        if self.draining and not self.members:
            self._emptied.set()
        if not self.members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ask(self, request: Request) -> Reply | Awaitable[Reply]:
        """The handler's reply, or the promise of one."""
        try:
            return self._handler(request)
        except Exception:
            log.exception("A handler failed: %s %s", request.method, request.path)
            return refusal(500, "internal server error")

    async def wait(self, request: Request, promise: Awaitable[Reply]) -> Reply:
        try:
            return await promise
        except Exception:
            log.exception("A handler failed: %s %s", request.method, request.path)
            return refusal(500, "internal server error")

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.date = email.utils.formatdate(self._env.clock.time(), usegmt=True).encode()
        late = [member for member in self.members if member.deadline < self.now]
        for member in late:
            member.expire()
        self._timer = loop.call_later(_TICK, self._tick)

    async def drain(self, grace: float) -> None:
        """Let replies end for `grace` seconds, then cut off what is left, and wait for its tasks."""
        self.draining = True
        for member in list(self.members):
            member.retire()
        if self.members and grace > 0:
            await wait_within(self._emptied, grace)
        for member in list(self.members):
            member.abort()
        self._group.cancel()
        await self._group.__aexit__(None, None, None)
        await asyncio.sleep(0)  # the transports' last callbacks
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
