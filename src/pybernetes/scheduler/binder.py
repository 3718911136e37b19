# SPDX-License-Identifier: Apache-2.0
"""Acts on decisions: binds many pods at once, and tells why a pod could not be placed."""

import asyncio
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.types import Client
from pybernetes.scheduler.cycle import Decision
from pybernetes.scheduler.podinfo import PodInfo

PODS = GVR("", "v1", "pods")
_log = logs.get("scheduler.binder")


class Binder:
    """The one path by which pods get their node."""

    def __init__(self, env: Env, client: Client, recorder: Recorder, parallelism: int) -> None:
        self._env = env
        self._client = client
        self._recorder = recorder
        self._slots = asyncio.Semaphore(parallelism)

    async def bind_many(self, decisions: Sequence[Decision]) -> list[tuple[Decision, Exception]]:
        """Bind all; the store commits concurrent bindings together. Returns those that failed."""
        failures: list[tuple[Decision, Exception]] = []

        async def one(decision: Decision) -> None:
            async with self._slots:
                try:
                    await self._bind(decision)
                except (ApiError, ConnectionError, TimeoutError) as error:
                    failures.append((decision, error))

        async with TaskGroup("bind") as group:
            for decision in decisions:
                group.start(one(decision), decision.pod.name)
        return failures

    async def _bind(self, decision: Decision) -> None:
        pod = decision.pod
        binding: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": decision.node},
        }
        await self._client.create(
            PODS, binding, pod.namespace, name=pod.name, subresource="binding"
        )
        text = f"Successfully assigned {pod.key} to {decision.node}"
        self._recorder.event(_reference(pod), "Normal", "Scheduled", text)

    async def report(self, decision: Decision, pod: Object) -> None:
        """Event and PodScheduled=False condition of a pod that found no node."""
        self._recorder.event(pod, "Warning", "FailedScheduling", decision.message)
        known = conditions.of(pod, "PodScheduled")
        if known is not None and known.get("message") == decision.message:
            return
        condition = conditions.new(
            "PodScheduled",
            "False",
            ("Unschedulable", decision.message),
            self._env.clock.now(),
            lastProbeTime=None,
            observedGeneration=pod["metadata"].get("generation", 0),
        )
        condition = conditions.renew([known] if known else [], condition)[-1]
        try:
            patch = {"status": {"conditions": [condition]}}
            await self._client.patch_object(PODS, pod, patch, subresource="status")
        except (
            ApiError,
            ConnectionError,
            TimeoutError,
        ) as error:  # the next attempt tells it again
            if not isinstance(error, ApiError) or error.code not in (404, 409):
                _log.warning("A pod's condition was not updated", pod=decision.pod.key, err=error)


def _reference(pod: PodInfo) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
    }
