# SPDX-License-Identifier: Apache-2.0
"""Pod life-cycle event generator: keeps what the runtime has of every pod, and says what changed.

A hollow runtime tells when to look; others are listed, soon after a change, then less and less
often, once a second in the end. Container statuses are asked for only when a container's state
changed.
"""

import asyncio
import dataclasses
from collections.abc import Callable

from pybernetes.base import logs, metrics
from pybernetes.base.env import Env
from pybernetes.base.tasks import wait_within
from pybernetes.cri.types import Container, CriError, NotFound, Runtime, Sandbox
from pybernetes.kubelet import naming
from pybernetes.kubelet.podstate import PodState

_log = logs.get("kubelet.pleg")
BRISK = 0.05
HEALTHY_SECONDS = 180.0  # upstream's relistThreshold


class Pleg:
    """`state(uid)` is the last seen PodState; `on_change(uid)` is called when it differs.

    - `refresh()` returns after a listing that started after the call.
    - Listings never overlap.
    """

    def __init__(
        self, env: Env, runtime: Runtime, interval: float, on_change: Callable[[str], None]
    ) -> None:
        self._env = env
        self._runtime = runtime
        self._interval = interval
        self._pause = interval
        self._on_change = on_change
        self._states: dict[str, PodState] = {}
        self._sandboxes: dict[str, Sandbox] = {}  # statuses by id
        self._containers: dict[str, Container] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._last = env.clock.monotonic()
        self._listed = asyncio.Event()
        self._seconds = metrics.histogram(
            env, "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods."
        )

    def state(self, uid: str) -> PodState:
        return self._states.get(uid) or PodState(uid)

    def states(self) -> list[PodState]:
        return list(self._states.values())

    def healthy(self) -> str:
        """ "" or upstream's message."""
        silent = self._env.clock.monotonic() - self._last
        if not self._runtime.hollow and silent > HEALTHY_SECONDS:
            return f"pleg was last seen active {silent:.0f}s ago; threshold is 3m0s"
        return ""

    async def wait_listed(self) -> None:
        await self._listed.wait()

    async def refresh(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    async def run(self) -> None:
        """List until cancelled."""
        hollow = self._runtime.hollow
        if hollow:
            hollow.on_change(self._wake.set)
        while True:
            self._wake.clear()
            await self._relist_once()
            self._pause = min(self._interval, self._pause * 2)
            await wait_within(self._wake, None if hollow else self._pause)

    async def _relist_once(self) -> None:
        waiters, self._waiters = self._waiters, []
        started = self._env.clock.monotonic()
        try:
            await self._relist()
            self._last = self._env.clock.monotonic()
            self._seconds.observe(self._last - started)
            self._listed.set()
        except CriError as error:
            _log.warning("The runtime cannot be listed", err=error)
        finally:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _relist(self) -> None:
        sandboxes = await self._runtime.list_sandboxes()
        containers = await self._runtime.list_containers()
        by_uid: dict[str, tuple[list[Sandbox], list[Container]]] = {}
        owner: dict[str, str] = {}
        for sandbox in sandboxes:
            by_uid.setdefault(sandbox.uid, ([], []))[0].append(sandbox)
            owner[sandbox.id] = sandbox.uid
        for container in containers:
            uid = container.labels.get(naming.POD_UID) or owner.get(container.sandbox_id, "")
            by_uid.setdefault(uid, ([], []))[1].append(container)
        known = {item.id for item in sandboxes} | {item.id for item in containers}
        for cache in (self._sandboxes, self._containers):
            for old in [key for key in cache if key not in known]:
                del cache[old]
        failed: list[CriError] = []
        for uid, (pod_sandboxes, pod_containers) in by_uid.items():
            try:
                await self._look(uid, pod_sandboxes, pod_containers)
            except CriError as error:  # the others are looked at all the same
                failed.append(error)
        for uid in [uid for uid in self._states if uid not in by_uid]:
            del self._states[uid]
            self._on_change(uid)
        if failed:
            raise failed[0]

    async def _look(self, uid: str, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        full_sandboxes = [await self._sandbox(item) for item in sandboxes]
        full = [found for item in containers if (found := await self._container(item))]
        full_sandboxes.sort(key=lambda item: (item.created_at, item.attempt), reverse=True)
        full.sort(key=lambda item: (item.created_at, item.attempt), reverse=True)
        first = full_sandboxes[0] if full_sandboxes else None
        labels = full[0].labels if full else {}
        state = PodState(
            uid,
            first.name if first else labels.get(naming.POD_NAME, ""),
            first.namespace if first else labels.get(naming.POD_NAMESPACE, ""),
            tuple(full_sandboxes),
            tuple(full),
        )
        if state != self._states.get(uid):
            self._states[uid] = state
            self._pause = BRISK  # what changed may soon change again
            self._on_change(uid)

    async def _sandbox(self, item: Sandbox) -> Sandbox:
        cached = self._sandboxes.get(item.id)
        if cached is not None and cached.ready == item.ready:
            return cached
        try:
            status = await self._runtime.sandbox_status(item.id)
        except NotFound:
            return item
        self._sandboxes[item.id] = status
        return status

    async def _container(self, item: Container) -> Container | None:
        cached = self._containers.get(item.id)
        if cached is not None and cached.state == item.state:
            return cached
        try:
            status = await self._runtime.container_status(item.id)
        except NotFound:
            return None
        if status.sandbox_id != item.sandbox_id:
            status = dataclasses.replace(status, sandbox_id=item.sandbox_id)
        self._containers[item.id] = status
        return status
