# SPDX-License-Identifier: Apache-2.0
"""Leader election over a coordination.k8s.io Lease (client-go's leaderelection).

- At most one elector leads, as long as clocks run at about the same rate.
- A leader that cannot renew within `renew_deadline` stops its work before others may start.
- Other holders' times are never compared with ours: only how long the record stayed the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339_micro
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.types import Client

LEASES = GVR("coordination.k8s.io", "v1", "leases")
_log = logs.get("client.leases")


@dataclass(frozen=True, slots=True)
class LeaseConfig:
    """Which lease, as whom, and client-go's default times in seconds."""

    name: str
    identity: str
    namespace: str = "kube-system"
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


class LeaderElector:
    """`run(work)` waits to lead, then runs `work` until leadership or `work` ends."""

    def __init__(self, env: Env, client: Client, config: LeaseConfig) -> None:
        self._clock = env.clock
        self._random = env.random.child(f"lease/{config.identity}")
        self._client = client
        self._config = config
        self._seen: Object | None = None  # the lease's spec, as last observed
        self._seen_at = 0.0
        self.leader = ""  # identity of the last leader seen

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._acquire()
        _log.info("Became leader", lease=self._config.name, identity=self._config.identity)
        async with TaskGroup("leader") as group:

            async def lead() -> None:
                await work()
                group.cancel()

            group.start(lead(), "work")
            await self._renew()
            _log.warning("Stopped leading", lease=self._config.name)
            group.cancel()
        await self._release()

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._random.jitter(self._config.retry_period, 1.2))

    async def _renew(self) -> None:
        """Until the lease could not be renewed in time."""
        renewed = self._clock.monotonic()
        while self._clock.monotonic() - renewed < self._config.renew_deadline:
            await asyncio.sleep(self._config.retry_period)
            try:
                async with asyncio.timeout(self._config.renew_deadline):
                    if await self._try():
                        renewed = self._clock.monotonic()
            except TimeoutError:
                return

    async def _try(self) -> bool:
        """Take or renew the lease; False if somebody else has it or the server did not agree."""
        try:
            return await self._take()
        except (ApiError, ConnectionError) as error:
            _log.info("Could not take the lease", lease=self._config.name, err=error)
            return False

    async def _take(self) -> bool:
        config = self._config
        try:
            lease = await self._client.get(LEASES, config.name, config.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            metadata = {"name": config.name, "namespace": config.namespace}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            lease["spec"] = self._spec({})
            self._observe((await self._client.create(LEASES, lease, config.namespace))["spec"])
            return True
        spec = lease.get("spec") or {}
        self._observe(spec)
        holder = spec.get("holderIdentity") or ""
        mine = holder == config.identity
        fresh = self._clock.monotonic() < self._seen_at + (spec.get("leaseDurationSeconds") or 0)
        if holder and not mine and fresh:
            return False
        lease["spec"] = self._spec(spec)
        self._observe((await self._client.update(LEASES, lease, config.namespace))["spec"])
        return True

    def _spec(self, old: Object) -> Object:
        now = rfc3339_micro(self._clock.now())
        mine = old.get("holderIdentity") == self._config.identity
        transitions = old.get("leaseTransitions") or 0
        return {
            "holderIdentity": self._config.identity,
            "leaseDurationSeconds": int(self._config.duration),
            "acquireTime": old.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": transitions + (0 if mine or not old else 1),
        }

    def _observe(self, spec: Object) -> None:
        if spec != self._seen:
            self._seen = spec
            self._seen_at = self._clock.monotonic()
            self.leader = spec.get("holderIdentity") or ""

    async def _release(self) -> None:
        """Let the next one start at once."""
        if self.leader != self._config.identity:
            return
        try:
            lease = await self._client.get(LEASES, self._config.name, self._config.namespace)
            if lease["spec"].get("holderIdentity") == self._config.identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.update(LEASES, lease, self._config.namespace)
        except (ApiError, ConnectionError) as error:
            _log.info("Could not release the lease", lease=self._config.name, err=error)
