# SPDX-License-Identifier: Apache-2.0
"""One worker per pod, only while there is something to do.

- Turns of one pod never overlap; a wake-up during a turn causes one more turn.
- A deletion (or a shorter grace period) interrupts a turn that waits, a pull for example.
- Pods the API does not know but the runtime has are ended and removed.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.base import logs, metrics
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import CriError
from pybernetes.kubelet import admission, naming
from pybernetes.kubelet.admission import Policy, Rejection, admit, is_critical, is_static
from pybernetes.kubelet.naming import UNFORESEEN
from pybernetes.kubelet.pods import killer, podcgroup, resize, worker
from pybernetes.kubelet.record import Record
from pybernetes.kubelet.status import PENDING
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.pods")
ERROR_RETRY = 5.0
_FAILURES = (CriError, ApiError, *UNFORESEEN)


class Workers:
    """`update(old, new)` is told of pods, `wake(uid)` of everything else that changed."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._records: dict[str, Record] = {}
        self._group: TaskGroup | None = None
        self.synced = False  # every pod of ours is known
        self._sharing = asyncio.Lock()
        self.on_gone: Callable[[], None] = lambda: None
        self.policy: Callable[[], Policy] = Policy

    def records(self) -> list[Record]:
        return list(self._records.values())

    def active(self) -> list[Object]:
        """The pods that hold resources of this node."""
        return [item.pod for item in self._records.values() if item.admitted and _active(item)]

    def _others(self, record: Record) -> list[Object]:
        return [pod for pod in self.active() if pod is not record.pod]

    async def share_cpu(self) -> None:
        """Weigh the Burstable pods' common cgroup anew."""
        if not self._tools.runtime.hollow:
            async with self._sharing:  # the last to write is the last to have looked
                config, pods = self._tools.config, self.active()
                await self._tools.env.offload.run(podcgroup.share_burstable, config, pods)

    def find(self, uid: str) -> Object | None:
        """The newest version of a pod that the API still has."""
        record = self._records.get(uid)
        return record.pod if record is not None and not record.gone else None

    async def run(self, ready: Callable[[], Any]) -> None:
        """Work until cancelled. `ready()` is awaited first: pods and runtime are known then.

        Static pods do not wait for it: whether they run is no business of the API server's.
        """
        async with TaskGroup("pods") as group:
            self._group = group
            try:
                await ready()
                self.synced = True
                self.adopt_orphans()
                self._tools.checkpoint.keep(self._records)
                by_age = sorted(self._records.values(), key=lambda item: _created(item.pod))
                for record in by_age:
                    self.wake(record.uid)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
                for record in self._records.values():
                    _stop_timer(record)

    def update(self, old: Object | None, new: Object | None) -> None:
        """A pod of this node appeared, changed, or went."""
        pod = new or old
        if pod is None:
            return
        uid = naming.uid(pod)
        record = self._records.get(uid)
        if record is None:
            if new is None:
                return
            record = self._records[uid] = Record(uid, pod, pod)
            record.start_time = (pod.get("status") or {}).get("startTime") or ""
            if kept := self._tools.checkpoint.get(uid):
                record.restore(kept)
        was_ending, grace = record.ending, record.grace()
        record.wanted, record.gone = pod, new is None
        record.pod = resize.given(pod, record.allocated)
        sooner = was_ending and record.grace() < grace and not record.gone
        if (record.ending and not was_ending) or sooner:
            self._interrupt(record)
        self.wake(uid)

    def adopt_orphans(self) -> None:
        """Make records of what the runtime has and the API has not."""
        for state in self._tools.pleg.states():
            if state.uid and state.uid not in self._records:
                metadata = {"name": state.name, "namespace": state.namespace, "uid": state.uid}
                notes = state.containers[0].annotations if state.containers else {}
                grace = int(notes.get(naming.GRACE_PERIOD, "") or 30)
                spec = {"containers": [], "terminationGracePeriodSeconds": grace}
                pod: Object = {"metadata": metadata, "spec": spec}
                self._records[state.uid] = Record(state.uid, pod, gone=True, admitted=True)

    def wake(self, uid: str) -> None:
        """Something about the pod changed: take a turn."""
        record = self._records.get(uid)
        if record is None and self.synced:
            self.adopt_orphans()
            record = self._records.get(uid)
        if record is None:
            return
        _stop_timer(record)
        record.dirty = True
        known = self.synced or is_static(record.pod)
        if record.task is None and self._group is not None and known:
            record.task = self._group.start(self._drive(record), naming.full_name(record.pod))

    def _interrupt(self, record: Record) -> None:
        """End the turn under way. A task that has not begun yet would never run; it looks anyway."""
        if record.task is not None and record.at_work:
            record.interrupted = True
            record.task.cancel()

    async def _drive(self, record: Record) -> None:
        """Turns until there is nothing to do."""
        later: float | None = None
        record.at_work = True
        try:
            while record.dirty:
                record.dirty = False
                later = await self._interruptible(record)
                if later == 0.0:
                    record.dirty = True
                if record.uid not in self._records:
                    return
                if record.allocated and not self._tools.runtime.hollow:
                    self._tools.checkpoint.put(record.uid, record.kept())
        finally:
            record.task, record.at_work = None, False
        if later is not None:
            loop = asyncio.get_running_loop()
            record.timer = loop.call_later(later, self.wake, record.uid)

    async def _interruptible(self, record: Record) -> float | None:
        try:
            return await self._turn(record)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not record.interrupted or task is None or task.uncancel() > 0:
                raise  # somebody else wants an end, too
            record.interrupted = False
            return 0.0
        except _FAILURES as error:
            _log.warning("A pod could not be synced", pod=naming.full_name(record.pod), err=error)
            return ERROR_RETRY

    async def _turn(self, record: Record) -> float | None:
        record.interrupted = False
        if record.gone:
            return await self._bury(record)
        state = self._tools.pleg.state(record.uid)
        if is_finished(record.pod):
            record.finished = record.admitted = True
            record.cleaned = record.cleaned or not (state.sandboxes or state.containers)
        elif not record.admitted and not record.ending:
            self._admit(record)
            await self.share_cpu()
        if record.ending:
            return await worker.end_turn(self._tools, record)
        if record.rejected is not None:
            worker.publish(self._tools, record, state)
        if record.rejected is not None or record.cleaned:
            return None
        if before := not record.finished and record.allocated:
            resize.allocate(self._tools, record, self._others(record))
            if record.allocated is not before:
                self._retry_resizes()
        return await worker.run_turn(self._tools, record)

    def _retry_resizes(self) -> None:
        """Something was freed, or taken: look at the wishes that wait."""
        for record in self.records():
            if PENDING in record.conditions:
                self.wake(record.uid)

    def fail(
        self, uid: str, status: Rejection, *, grace: int | None, disrupted: str = ""
    ) -> asyncio.Event | None:
        """End a pod for good; what it returns is set once nothing of it runs. None: no such pod."""
        record = self._records.get(uid)
        if record is None or record.ending or record.finished:
            return None
        record.failed, record.finished, record.most_grace = status, True, grace
        if disrupted:
            record.note("DisruptionTarget", "TerminationByKubelet", disrupted)
        self._interrupt(record)
        self.wake(uid)
        record.over = asyncio.Event()
        return record.over

    def _admit(self, record: Record) -> None:
        record.admitted = True
        record.allocated = record.allocated or resize.of(record.wanted)
        if self._tools.pleg.state(record.uid).sandboxes:
            return  # it ran before we were restarted
        others = self._others(record)
        record.rejected = admit(record.pod, self._tools.node(), others, self.policy())
        if record.rejected and record.rejected[0].startswith("OutOf") and is_critical(record.pod):
            self._preempt(record, others)
        if record.rejected is not None:
            reason, message = record.rejected
            about = "Pods not admitted, by reason."
            name, labels = "kubelet_admission_rejections", ("reason",)
            metrics.counter(self._tools.env, name, about, labels).labels(reason).inc()
            record.finished = True
            text = message.removeprefix("Pod was rejected: ")
            self._tools.event(record.pod, "Warning", reason, text)

    def _preempt(self, record: Record, others: list[Object]) -> None:
        """Make room for a critical pod."""
        text = "Preempted in order to admit critical pod"
        for pod in admission.victims(record.pod, self._tools.node(), others):
            self._tools.event(pod, "Warning", "Preempting", text)
            self.fail(naming.uid(pod), ("Preempting", text), grace=None, disrupted=text)
        left = self._others(record)
        record.rejected = admit(record.pod, self._tools.node(), left, self.policy())

    async def _bury(self, record: Record) -> float | None:
        """The API has no such pod: end what is left of it and forget it."""
        tools = self._tools
        state = tools.pleg.state(record.uid)
        if state.running or any(item.ready for item in state.sandboxes) or not record.finished:
            later = await worker.end_turn(tools, record)
            if later is not None:
                return later
        state = tools.pleg.state(record.uid)
        await killer.remove(tools, state.containers, state.sandboxes)
        await tools.pleg.refresh()
        if tools.pleg.state(record.uid).sandboxes:
            return 1.0
        tools.statuses.forget(record.uid)
        tools.images.forget(record.uid)
        tools.certificates.forget(record.uid)
        tools.probes.stop(record.uid)
        self._records.pop(record.uid, None)
        if record.over is not None:
            record.over.set()
        self._tools.checkpoint.put(record.uid, None)
        self.on_gone()
        self._retry_resizes()
        return None


def _active(record: Record) -> bool:
    return not (record.gone or record.finished or record.rejected or is_finished(record.pod))


def _created(pod: Object) -> tuple[str, str]:
    return str(pod["metadata"].get("creationTimestamp", "")), str(pod["metadata"].get("uid", ""))


def _stop_timer(record: Record) -> None:
    if record.timer is not None:
        record.timer.cancel()
        record.timer = None
