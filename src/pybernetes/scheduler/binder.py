# SPDX-License-Identifier: Apache-2.0
"""Acts on decisions: binds many pods at once, makes room, and tells why a pod could not be placed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import failures_of
from pybernetes.client.events import Recorder
from pybernetes.client.types import Client
from pybernetes.scheduler.config import SchedulerConfig
from pybernetes.scheduler.decision import Decision, Room
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.preemption import REASON

PODS = GVR("", "v1", "pods")
RETRY = 1.0  # seconds until a binding that was not answered is tried again
_log = logs.get("scheduler.binder")
_T = TypeVar("_T")


class Binder:
    """The one path by which pods get their node."""

    def __init__(
        self, env: Env, client: Client, recorder: Recorder, config: SchedulerConfig
    ) -> None:
        self._env = env
        self._client = client
        self._recorder = recorder
        self._name = config.scheduler_name
        self._slots = asyncio.Semaphore(config.bind_parallelism)

    async def bind_many(self, decisions: Sequence[Decision]) -> list[tuple[Decision, Exception]]:
        """Bind all; the store commits concurrent bindings together. Returns those that failed."""
        return await self._all(decisions, self._bind)

    async def make_room(self, decision: Decision, room: Room) -> bool:
        """Delete the victims, each with its grace period; False where one could not be."""
        staying = [victim for victim in room.victims if not meta.is_deleting(victim)]
        failures = await self._all(staying, partial(self._preempt, decision.pod, room.node))
        for victim, error in failures:
            _log.warning("Preemption failed", pod=meta.key(victim), error=error)
        return not failures

    async def _all(
        self, items: Sequence[_T], act: Callable[[_T], Awaitable[None]]
    ) -> list[tuple[_T, Exception]]:
        """Do it to all, so many at a time; those with which it failed."""

        async def one(item: _T) -> None:
            async with self._slots:
                await act(item)

        return await failures_of(items, one, (ApiError, ConnectionError, TimeoutError))

    async def _bind(self, decision: Decision) -> None:
        pod = decision.pod
        metadata = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}
        binding: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"kind": "Node", "name": decision.node},
        }
        unsure = False  # a try without an answer may have bound it: its place is kept until we know
        while True:
            try:
                await self._client.create(
                    PODS, binding, pod.namespace, name=pod.name, subresource="binding"
                )
                break
            except ApiError as error:
                if unsure and error.code == 409:  # bound, or being deleted: the informer will tell
                    break
                if error.code < 500:
                    raise
            except (ConnectionError, TimeoutError):
                pass
            unsure = True
            await asyncio.sleep(RETRY)
        text = f"Successfully assigned {pod.key} to {decision.node}"
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self._recorder.event(about, "Normal", "Scheduled", text)

    async def _preempt(self, pod: PodInfo, node: str, victim: Object) -> None:
        text = f"{self._name}: preempting to accommodate a higher priority pod"
        target = conditions.new(
            "DisruptionTarget",
            "True",
            (REASON, text),
            self._env.clock.now(),
            observedGeneration=victim["metadata"].get("generation", 0),
        )
        status = {"status": {"conditions": [target]}}
        await self._client.patch_object(PODS, victim, status, subresource="status")
        options = {"preconditions": {"uid": meta.uid(victim)}}
        await self._client.delete(PODS, meta.name(victim), meta.namespace(victim), options=options)
        text = f"Preempted by pod {pod.uid} on node {node}"
        self._recorder.event(victim, "Normal", "Preempted", text)

    async def report(self, decision: Decision, pod: Object) -> None:
        """Event, PodScheduled=False condition and nominated node of a pod that found no node."""
        self._recorder.event(pod, "Warning", "FailedScheduling", decision.message)
        known = conditions.of(pod, "PodScheduled")
        nominated = (pod.get("status") or {}).get("nominatedNodeName", "")
        renominated = decision.nominated not in (None, nominated)
        if known and known.get("message") == decision.message and not renominated:
            return
        condition = conditions.new(
            "PodScheduled",
            "False",
            ("Unschedulable", decision.message),
            self._env.clock.now(),
            lastProbeTime=None,
            observedGeneration=pod["metadata"].get("generation", 0),
        )
        status: Object = {"conditions": [conditions.renew([known] if known else [], condition)[-1]]}
        if renominated:
            status["nominatedNodeName"] = decision.nominated or None
        await self.patch_status(pod, status)

    async def patch_status(self, pod: Object, status: Object) -> None:
        """Merge into a pod's status; a failure is told only, the next attempt writes again."""
        try:
            with forgiving(404, 409):
                await self._client.patch_object(PODS, pod, {"status": status}, subresource="status")
        except (ApiError, ConnectionError, TimeoutError) as error:
            _log.warning("A pod's condition was not updated", pod=meta.key(pod), err=error)
