# SPDX-License-Identifier: Apache-2.0
"""Watches what is left of the node's resources and ends pods before the kernel does.

Every round: what pods use beyond their own storage limits first; then, for the most urgent threshold,
what can be had without ending anybody (dead containers, unused images); then one pod.
"""

import asyncio
from collections.abc import Collection, Mapping

from pybernetes.apimachinery.types import Object
from pybernetes.base import logs, metrics
from pybernetes.cri.types import CriError
from pybernetes.kubelet import admission, gc, naming
from pybernetes.kubelet.eviction import ranking
from pybernetes.kubelet.eviction.thresholds import (
    ALLOCATABLE_MEMORY,
    Observation,
    Pressure,
    Threshold,
    met,
    parse,
)
from pybernetes.kubelet.pods import podcgroup
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.stats import Gatherer, NodeStats
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.eviction")
CLEANUP_SECONDS = 30.0
IMMEDIATE = 1  # seconds of grace, upstream's immediateEvictionGracePeriodSeconds


class Evictions:
    """`conditions` says under what pressure the node is."""

    def __init__(self, tools: Tools, workers: Workers, gatherer: Gatherer) -> None:
        self._tools, self._workers, self._gatherer = tools, workers, gatherer
        config = tools.config
        self._pressure = Pressure(parse(config), config.eviction_pressure_transition_period)
        self._evicted = metrics.counter(
            tools.env,
            "kubelet_evictions",
            "Cumulative number of pod evictions by eviction signal",
            ("eviction_signal",),
        )

    @property
    def conditions(self) -> Collection[str]:
        return self._pressure.conditions.keys()

    async def run(self) -> None:
        """Look every few seconds until cancelled; again at once after a pod had to go."""
        while True:
            await asyncio.sleep(self._tools.config.eviction_interval)
            try:
                while await self.sync():
                    pass
            except (CriError, OSError) as error:
                _log.warning("What the node uses cannot be told", err=error)

    async def sync(self) -> bool:
        """One round; whether a pod was evicted. Raises CriError, OSError."""
        before = set(self.conditions)
        seen = self._observe(await self._gatherer.node())
        due = self._pressure.observe(seen, self._tools.env.clock.monotonic())
        if before != set(self.conditions):
            self._tools.node_controller.wake()
        if await self._enforce_limits():
            return True
        if not due:
            return False
        threshold = due[0]
        self._tools.node_event(
            "Warning", "EvictionThresholdMet", f"Attempting to reclaim {threshold.resource}"
        )
        if threshold.resource in ("ephemeral-storage", "inodes"):
            await self._reclaim_disk()
            seen = self._observe(await self._gatherer.node())
            if not met(self._pressure.thresholds, seen):
                return False
        return await self._evict_one(threshold, seen)

    async def _reclaim_disk(self) -> None:
        """Dead containers of pods that are over, and every unused image."""
        await gc.containers(self._tools, self._workers, all_dead=True)
        try:
            await gc.images(self._tools)
        except CriError as error:
            _log.warning("Not every unused image can be removed", err=error)

    def _observe(self, node: NodeStats) -> Mapping[str, Observation]:
        most = podcgroup.node_limits(self._tools.config, self._tools.machine).memory or 0
        return {
            "memory.available": Observation(node.memory - node.usage.working_set, node.memory),
            ALLOCATABLE_MEMORY: Observation(most - node.pods.working_set, most),
            "nodefs.available": Observation(node.fs.available, node.fs.capacity),
            "nodefs.inodesFree": Observation(node.fs.inodes_free, node.fs.inodes),
            "imagefs.available": Observation(node.image_fs.available, node.image_fs.capacity),
            "imagefs.inodesFree": Observation(node.image_fs.inodes_free, node.image_fs.inodes),
            "pid.available": Observation(node.max_pids - node.tasks, node.max_pids),
        }

    async def _enforce_limits(self) -> bool:
        limited = [pod for pod in self._workers.active() if ranking.is_limited(pod)]
        if not limited:
            return False
        ended = []
        for item in await self._gatherer.pods(limited, self._tools.config.eviction_interval / 2):
            found = ranking.beyond_limits(item)
            if found is not None:
                ended.append(self._evict(item.pod, found, disrupted=False))
        return await self._wait_gone([event for event in ended if event is not None])

    async def _evict_one(self, threshold: Threshold, seen: Mapping[str, Observation]) -> bool:
        pods = await self._gatherer.pods(self._workers.active(), 0.0)
        for item in ranking.rank(threshold.resource, pods):
            text = ranking.message(threshold, item, seen)
            event = self._evict(item.pod, (threshold.signal, text), disrupted=True)
            if event is not None:
                return await self._wait_gone([event])
        _log.warning("No pod can be evicted", signal=threshold.signal)
        return False

    def _evict(self, pod: Object, why: tuple[str, str], *, disrupted: bool) -> asyncio.Event | None:
        signal, text = why
        if admission.is_critical(pod):
            return None
        over = self._workers.fail(
            naming.uid(pod), ("Evicted", text), grace=IMMEDIATE, disrupted=text if disrupted else ""
        )
        if over is not None:
            self._tools.event(pod, "Warning", "Evicted", text)
            self._evicted.labels(signal).inc()
        return over

    async def _wait_gone(self, ended: list[asyncio.Event]) -> bool:
        """Until the evicted are cleaned up, half a minute at most; False: there were none."""
        try:
            async with asyncio.timeout(CLEANUP_SECONDS):
                for event in ended:
                    await event.wait()
        except TimeoutError:
            _log.warning("Evicted pods take long to end")
        return bool(ended)
