# SPDX-License-Identifier: Apache-2.0
"""The scheduler: watches pods and nodes, decides (cycle.py), and acts (binder.py).

- Decisions are made one after another; bindings of a batch run together, behind them.
- A pod is counted on its node from the moment it is decided; if its binding fails it is taken
  back and tried again.
- The event loop is yielded to at least every few milliseconds.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import counter, gauge, histogram
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.scheduler.binder import PODS, Binder
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.config import SchedulerConfig
from pybernetes.scheduler.cycle import Cycle
from pybernetes.scheduler.decision import Decision, Room
from pybernetes.scheduler.nominations import Nominations
from pybernetes.scheduler.plugins.registry import PLUGINS
from pybernetes.scheduler.podinfo import PodInfo, Templates
from pybernetes.scheduler.preemption import Preemption
from pybernetes.scheduler.queue import QUEUES, SchedulingQueue
from pybernetes.scheduler.types import Plugin

NODES = GVR("", "v1", "nodes")
BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
_log = logs.get("scheduler")


class Scheduler:
    """kube-scheduler for one profile. See config.py for what can be set."""

    def __init__(
        self,
        env: Env,
        client: Client,
        config: SchedulerConfig | None = None,
        informers: Informers | None = None,
    ) -> None:
        self._env = env
        self._config = config = config or SchedulerConfig()
        self._random = env.random.child("scheduler")
        self._informers = informers or Informers(env, client)
        self._pods = self._informers.get(PODS)
        self._nodes = self._informers.get(NODES)
        budgets = self._informers.get(BUDGETS)
        self._columns = NodeColumns()
        self._templates = Templates()
        chosen = plugins(config)
        self._cycle = Cycle(self._columns, chosen, self._random)
        self._nominations = Nominations(self._columns, self._cycle.changed)
        self._preemption = Preemption(self._columns, chosen, self._pods.find, budgets.items)
        self._queue = SchedulingQueue(
            env.clock, config.initial_backoff, config.max_backoff, config.unschedulable_flush
        )
        self._recorder = Recorder(env, client, config.scheduler_name)
        self._binder = Binder(env, client, self._recorder, config)
        self._wake = asyncio.Event()
        self._deciding: dict[str, int] = {}  # UIDs decided, not settled -> _changes at that time
        self._changes = 0  # how often the cluster changed in a way that may help a pod
        self._attempts = counter(
            env,
            "scheduler_schedule_attempts_total",
            "Attempts to schedule pods, by the result",
            ("result", "profile"),
        )
        pending = gauge(env, "scheduler_pending_pods", "Pending pods, by queue", ("queue",))
        for name in QUEUES:  # counted when somebody asks, not with every batch
            pending.labels(name).set_function(partial(self._queue.length, name))
        self._latency = histogram(
            env,
            "scheduler_scheduling_algorithm_duration_seconds",
            "Time to decide about one pod",
        )
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    @property
    def is_busy(self) -> bool:
        """True while there are pods that have no node yet."""
        return bool(self._queue) or bool(self._deciding)

    async def wait_ready(self) -> None:
        await self._informers.wait_synced()

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with TaskGroup("scheduler") as group:
            group.start(self._informers.run(), "informers")
            group.start(self._recorder.run(), "events")
            await self._informers.wait_synced()
            while True:
                await self._wait_for_pods()
                decisions = await self._decide_batch()
                if decisions:
                    group.start(self._settle(decisions), "settle")

    async def _wait_for_pods(self) -> None:
        await wait_within(self._wake, self._queue.next_due())
        self._wake.clear()

    async def _decide_batch(self) -> list[Decision]:
        decisions: list[Decision] = []
        clock = self._env.clock
        slice_start = clock.monotonic()
        while len(decisions) < self._config.batch:
            pod = self._queue.pop()
            if pod is None:
                break
            start = clock.monotonic()
            self._deciding[pod.uid] = self._changes
            decisions.append(await self._decide(pod))
            now = clock.monotonic()
            self._latency.observe(now - start)
            if now - slice_start >= self._config.slice_seconds:
                await asyncio.sleep(0)
                slice_start = clock.monotonic()
        else:
            self._wake.set()  # more may be active
        return decisions

    async def _decide(self, pod: PodInfo) -> Decision:
        """Where `pod` goes; if nowhere, who could make room."""
        nominated = self._nominations.node_of(pod.uid)
        with self._nominations.lifted(pod):
            decision = self._cycle.schedule(pod, nominated)
            if decision.node:
                self._nominations.drop(pod.uid)
                return decision
            possible = self._cycle.possible(pod)
        obj = self._waiting(pod)
        if obj is None or not decision.evaluated:
            return decision
        decision = await self._carry_on(
            pod, self._preemption.decide(decision, obj, nominated, possible)
        )
        if decision.nominated not in (None, nominated) and self._waiting(pod):
            self._nominations.set(pod, decision.nominated)
        return decision

    async def _carry_on(self, pod: PodInfo, steps: Iterator[Decision | None]) -> Decision:
        """The last of the steps; others have their turn between two of them."""
        clock = self._env.clock
        while True:
            end = clock.monotonic() + self._config.slice_seconds
            with self._nominations.lifted(pod):
                for decision in steps:
                    if decision is not None:
                        return decision
                    if clock.monotonic() >= end:
                        break
            await asyncio.sleep(0)

    async def _make_room(self, decision: Decision, room: Room) -> None:
        """Carry a preemption out; less important pods no longer wait for that node."""
        for other in self._nominations.less_important(decision.pod.priority, room.node):
            self._nominations.set(other, "")
            waiting = self._waiting(other)
            if waiting is not None:
                await self._binder.patch_status(waiting, {"nominatedNodeName": None})
        if not await self._binder.make_room(decision, room):
            self._helped()

    async def _settle(self, decisions: Sequence[Decision]) -> None:
        """Bind what found a node, report what did not, requeue what failed."""
        failures = await self._binder.bind_many([one for one in decisions if one.node])
        failed = {decision.pod.uid for decision, _ in failures}
        for decision, error in failures:
            _log.warning("Binding failed", pod=decision.pod.key, node=decision.node, error=error)
            self._columns.unplace(decision.pod.uid)
            self._cycle.changed()
        for decision in decisions:
            await self._conclude(decision, bound=decision.pod.uid not in failed)
        self._wake.set()

    async def _conclude(self, decision: Decision, *, bound: bool) -> None:
        pod = self._waiting(decision.pod)
        missed = self._deciding.pop(decision.pod.uid, 0) != self._changes
        if decision.node and bound:
            self._attempts.labels("scheduled", self._config.scheduler_name).inc()
        elif pod is None:
            self._queue.remove(decision.pod.uid)
        elif decision.node:
            self._attempts.labels("error", self._config.scheduler_name).inc()
            self._queue.failed(self._templates.info(pod))
        else:
            self._attempts.labels("unschedulable", self._config.scheduler_name).inc()
            again = self._queue.failed if missed else self._queue.refused
            again(self._templates.info(pod))  # as it is by now
            await self._binder.report(decision, pod)
            if decision.room:
                await self._make_room(decision, decision.room)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._columns.remove(meta.name(old or {}))
        elif old is not None and _for_scheduling(old) == _for_scheduling(new):
            return
        else:
            self._columns.upsert(new)
            self._helped()
        self._cycle.changed()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        uid = meta.uid(new or old or {})
        if new is None or is_finished(new):
            self._forget(uid)
        elif new["spec"].get("nodeName"):
            self._has_node(old, new)
        elif self._is_ours(new) and uid not in self._deciding:
            if _nominated(old) != _nominated(new) != self._nominations.node_of(uid):
                self._nominations.set(self._templates.info(new), _nominated(new))
            if old is None or old["spec"] != new["spec"]:
                self._queue.add(self._templates.info(new))
                self._wake.set()
        elif meta.is_deleting(new):
            self._queue.remove(uid)

    def _has_node(self, old: Object | None, new: Object) -> None:
        """A pod is on a node: counted there as it is by now (it may have been resized in place)."""
        uid, node = new["metadata"]["uid"], new["spec"]["nodeName"]
        self._queue.remove(uid)
        self._nominations.drop(uid)
        had = old is not None and old["spec"].get("nodeName") and old["metadata"].get("generation")
        resized = bool(had) and had != new["metadata"].get("generation")
        if resized or not self._columns.placed_on(uid, node):
            self._columns.place(self._templates.info(new), node)
            self._cycle.changed()
        if resized:
            self._helped()

    def _forget(self, uid: str) -> None:
        self._queue.remove(uid)
        self._nominations.drop(uid)
        if self._columns.unplace(uid):
            self._cycle.changed()
            self._helped()

    def _helped(self) -> None:
        """The cluster changed in a way that may let a waiting pod in."""
        self._changes += 1
        self._queue.cluster_changed()
        self._wake.set()

    def _waiting(self, pod: PodInfo) -> Object | None:
        """The pod's object, if it is still ours to place."""
        obj = self._pods.find(pod.namespace, pod.name)
        if obj is None or obj["metadata"]["uid"] != pod.uid or obj["spec"].get("nodeName"):
            return None
        return obj if self._is_ours(obj) else None

    def _is_ours(self, pod: Object) -> bool:
        spec = pod["spec"]
        named = spec.get("schedulerName", "default-scheduler") == self._config.scheduler_name
        return named and not meta.is_deleting(pod) and not spec.get("schedulingGates")


def plugins(config: SchedulerConfig) -> tuple[Plugin, ...]:
    """The plugins of a configuration, in order: registry.py's, then the config's own."""
    table = {plugin.name: plugin for plugin in PLUGINS} | dict(config.plugins)
    return tuple(table.values())


def _nominated(pod: Object | None) -> str:
    return str(((pod or {}).get("status") or {}).get("nominatedNodeName") or "")


def _for_scheduling(node: Object) -> tuple[object, ...]:
    """Without conditions, the heartbeats: they reach the scheduler as taints."""
    allocatable = (node.get("status") or {}).get("allocatable")
    return allocatable, node["metadata"].get("labels"), node.get("spec")
