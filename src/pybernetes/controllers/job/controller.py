# SPDX-License-Identifier: Apache-2.0
"""Acts for Jobs: pods, the finalizers that keep them until they are counted, status, events."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.controllers.job import plan, pods, status
from pybernetes.controllers.job.plan import End, Facts
from pybernetes.controllers.runtime.batches import all_at_once, slow_start
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import JOBS, PODS
from pybernetes.controllers.runtime.workload import Workload
from pybernetes.controllers.runtime.writes import Writes

_OURS = {None, "", "kubernetes.io/job-controller"}  # spec.managedBy


class JobController(Workload):
    def __init__(self, context: Context) -> None:
        super().__init__(context, JOBS, "Job")
        self._own_writes = Writes(context.env.clock, self._owners)
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, _old: Object | None, new: Object | None) -> None:
        """A pod that waits for a job that is gone is let go."""
        if new is not None and pods.tracked(new):
            owner = meta.controller_of(new)
            if owner is None or owner.get("kind") != "Job":
                self._context.queue.add(f"/{meta.key(new)}")

    async def sync(self, key: str) -> None:
        if key.startswith("/"):
            pod = self._pods.find(*meta.split_key(key[1:]))
            if pod is not None and meta.controller_of(pod) is None:
                await self._release(pod)
            return
        job = self._owners.find(*meta.split_key(key))
        if job is None:
            await self._orphans(key)
            return
        if job["spec"].get("managedBy") not in _OURS or not self._own_writes.seen(key):
            return
        owned = await self._claimed(job)
        if plan.is_over(job) or meta.is_deleting(job):
            await all_at_once([pod for pod in owned if pods.tracked(pod)], self._release)
            return
        if self._writes.seen(key):
            await self._work(job, owned)

    async def _orphans(self, key: str) -> None:
        self._writes.forget(key)
        self._own_writes.forget(key)
        namespace, name = meta.split_key(key)
        left = [
            pod
            for pod in self._pods.by_index("namespace", namespace)
            if pods.tracked(pod) and (meta.controller_of(pod) or {}).get("name") == name
        ]
        await all_at_once(left, self._release)

    async def _work(self, job: Object, owned: list[Object]) -> None:
        now = self._context.env.clock.now()
        facts = plan.look(job, owned)
        end = plan.decide_end(job, facts, now)
        todo = plan.plan_pods(job, facts, now)
        if end is not None:
            todo = plan.Todo([], facts.active)
        final = end is not None and not facts.active and not facts.terminating
        final = final and not any(facts.uncounted.values())
        new = status.plan_status(job, facts, end, final=final, now=now)
        written = await self._write_status(job, new)
        if written is not None:
            self._own_writes.wrote(meta.key(job), written)
            self._tell(job, new, end if final else None)
            job = written
        await all_at_once(facts.release, self._release)
        if todo.wait:
            self._context.queue.add_after(meta.key(job), todo.wait)
        left = plan.deadline_in(job, now)
        if left is not None:
            self._context.queue.add_after(meta.key(job), max(0.0, left))
        await self._manage(job, todo, facts)

    async def _manage(self, job: Object, todo: plan.Todo, facts: Facts) -> None:
        failures = pods.next_failures(facts.lost, job)

        async def make(index: int) -> None:
            await self._control.create(job, pods.new_pod(job, index, failures.get(index, 0)))

        async def end(pod: Object) -> None:
            await self._control.delete(job, pod)

        await all_at_once(todo.delete, end)
        await slow_start(todo.create, make)

    def _tell(self, job: Object, new: Object, end: End | None) -> None:
        recorder = self._context.recorder
        if end is not None and end.type == "Complete":
            recorder.event(job, "Normal", "Completed", "Job completed")
        elif end is not None:
            recorder.event(job, "Warning", end.reason, end.message)
        was = conditions.find((job.get("status") or {}).get("conditions"), "Suspended") or {}
        now = conditions.find(new.get("conditions"), "Suspended") or {}
        if now.get("status") != was.get("status"):
            suspended = now.get("status") == "True"
            words = ("Suspended", "Job suspended") if suspended else ("Resumed", "Job resumed")
            recorder.event(job, "Normal", *words)

    async def _release(self, pod: Object) -> None:
        """Take our finalizer off; fine if the pod is gone."""
        patch: Object = {"metadata": {"$deleteFromPrimitiveList/finalizers": [pods.FINALIZER]}}
        with forgiving(404, 422, 409):
            done = await self._client.patch_object(PODS, pod, patch)
            owner = meta.controller_of(pod)
            if owner is not None and not meta.is_deleting(pod):
                self._writes.wrote(meta.make_key(meta.namespace(pod), owner["name"]), done)
