# SPDX-License-Identifier: Apache-2.0
"""Acts for Jobs: pods, the finalizers that keep them until they are counted, status, events."""

import functools

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.batch.job import end_of
from pybernetes.client.informer import BY_NAMESPACE
from pybernetes.controllers.job import plan, pods, status
from pybernetes.controllers.job.plan import End
from pybernetes.controllers.runtime.batches import all_at_once
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import JOBS, PODS
from pybernetes.controllers.runtime.workload import Workload

_OURS = {None, "", "kubernetes.io/job-controller"}  # spec.managedBy


class JobController(Workload):
    def __init__(self, context: Context) -> None:
        super().__init__(context, JOBS, "Job")
        self._owned.on_change(self._pod_changed)

    def _pod_changed(self, _old: Object | None, new: Object | None) -> None:
        """A pod that waits for a job that is gone is let go."""
        if new is not None and pods.tracked(new):
            owner = meta.controller_of(new)
            if owner is None or owner.get("kind") != "Job":
                self._queue.add(f"/{meta.key(new)}")

    async def sync(self, key: str) -> None:
        if not key.startswith("/"):
            return await super().sync(key)
        pod = self._owned.find(*meta.split_key(key[1:]))
        if pod is not None and meta.controller_of(pod) is None:
            await self._release(pod)

    async def _sync(self, key: str, owner: Object) -> None:
        if owner["spec"].get("managedBy") not in _OURS:
            return
        owned = await self._claimed(owner)
        if end_of(owner) or meta.is_deleting(owner):
            await all_at_once([pod for pod in owned if pods.tracked(pod)], self._release)
        elif self._writes.seen(key):
            await self._work(owner, owned)

    async def _gone(self, key: str) -> None:
        namespace, name = meta.split_key(key)
        left = [
            pod
            for pod in self._owned.by_index(BY_NAMESPACE, namespace)
            if pods.tracked(pod) and (meta.controller_of(pod) or {}).get("name") == name
        ]
        await all_at_once(left, self._release)

    async def _work(self, job: Object, owned: list[Object]) -> None:
        now = self._now()
        facts = plan.look(job, owned)
        end = plan.decide_end(job, facts, now)
        todo = plan.plan_pods(job, facts, now) if end is None else plan.Todo([], facts.active)
        final = end is not None and not facts.active and not facts.terminating
        final = final and not any(facts.uncounted.values())
        new = status.plan_status(job, facts, end, final=final, now=now)
        written = await self._write_status(job, new)
        if written is not None:
            self._report(job, new, end if final else None)
            job = written
        await all_at_once(facts.release, self._release)
        for wait in (todo.wait, plan.deadline_in(job, now)):
            if wait is not None and wait > 0:
                self._queue.add_after(meta.key(job), wait)
        failures = pods.next_failures(facts.lost, job)
        make = functools.partial(pods.new_pod, job, failures)
        await self._apply(job, todo.delete, todo.create, make)

    def _report(self, job: Object, new: Object, end: End | None) -> None:
        """Events about what the new status says."""
        if end is not None and end.type == "Complete":
            self._event(job, "Normal", "Completed", "Job completed")
        elif end is not None:
            self._event(job, "Warning", end.reason, end.message)
        was = conditions.of(job, "Suspended") or {}
        now = conditions.find(new.get("conditions"), "Suspended") or {}
        if now.get("status") != was.get("status"):
            suspended = now.get("status") == "True"
            words = ("Suspended", "Job suspended") if suspended else ("Resumed", "Job resumed")
            self._event(job, "Normal", *words)

    async def _release(self, pod: Object) -> None:
        """Take our finalizer off; fine if the pod is gone."""
        patch: Object = {"metadata": {"$deleteFromPrimitiveList/finalizers": [pods.FINALIZER]}}
        with forgiving(404, 422, 409):
            done = await self._client.patch_object(PODS, pod, patch)
            owner = meta.controller_of(pod)
            if owner is not None and not meta.is_deleting(pod):
                self._writes.wrote(meta.make_key(meta.namespace(pod), owner["name"]), done)
