# SPDX-License-Identifier: Apache-2.0
"""Acts for DaemonSets: pods made and removed by node, revisions, rolling updates, status."""

import functools

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.daemonset import plan
from pybernetes.controllers.runtime import revisions
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import DAEMON_SETS, NODES, taints
from pybernetes.controllers.runtime.workload import Workload

_BACK_OFF = (1.0, 900.0)  # seconds between two tries with failed pods on a node


class DaemonSetController(Workload):
    def __init__(self, context: Context) -> None:
        super().__init__(context, DAEMON_SETS, "DaemonSet")
        self._nodes = context.informers.get(NODES)
        self._history = revisions.History(context, DAEMON_SETS)
        self._failures: dict[tuple[str, str], tuple[float, float]] = {}  # -> (not before, wait)
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old and new and taints(old) == taints(new) and meta.labels(old) == meta.labels(new):
            return
        for daemon_set in self._owners.items():
            self._queue.add(meta.key(daemon_set))

    async def _gone(self, key: str) -> None:
        self._failures = {at: when for at, when in self._failures.items() if at[0] != key}

    async def _sync(self, key: str, owner: Object) -> None:
        if meta.is_deleting(owner):
            return
        if not owner["spec"].get("selector"):
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self._event(owner, "Warning", "SelectingAll", text)
            return
        pods = await self._claimed(owner)
        history = await self._history.sync(owner)
        try:
            if self._writes.seen(key):
                await self._manage(owner, pods, revisions.hash_of(history.update))
        except (ApiError, ConnectionError):
            await self._report(owner, pods, history)
            raise
        await self._report(owner, pods, history)
        live = {meta.labels(pod).get(revisions.HASH_LABEL, "") for pod in pods}
        names = {meta.name(one) for one in history.listed if revisions.hash_of(one) in live}
        await self._history.truncate(owner, history, names)

    async def _manage(self, daemon_set: Object, pods: list[Object], hashed: str) -> None:
        view = self._view(daemon_set, pods, hashed)
        todo = plan.plan_pods(view)
        delete = [*todo.delete, *self._backed_off(daemon_set, todo.failed)]
        create = list(todo.create)
        strategy = (daemon_set["spec"].get("updateStrategy") or {}).get("type")
        if strategy == "RollingUpdate" and not create and not delete:
            delete, create = plan.plan_update(view)
        burst = slice(plan.BURST)
        make = functools.partial(plan.new_pod, daemon_set, hashed)
        await self._apply(daemon_set, delete[burst], create[burst], make)

    def _backed_off(self, daemon_set: Object, failed: list[Object]) -> list[Object]:
        """Of the pods that ended, those whose node has waited long enough."""
        key, now = meta.key(daemon_set), self._context.env.clock.monotonic()
        ready = []
        for pod in failed:
            at = (key, plan.node_of(pod))
            until, wait = self._failures.get(at, (now, _BACK_OFF[0] / 2))
            if now < until:
                self._queue.add_after(key, until - now)
                continue
            wait = min(wait * 2, _BACK_OFF[1])
            self._failures[at] = now + wait, wait
            how = (pod.get("status") or {}).get("phase", "")
            what = f"Found {how.lower()} daemon pod {meta.key(pod)} on node {at[1]}"
            reason = "FailedDaemonPod" if how == "Failed" else "SucceededDaemonPod"
            kind = "Warning" if how == "Failed" else "Normal"
            self._event(daemon_set, kind, reason, f"{what}, will try to kill it")
            ready.append(pod)
        return ready

    async def _report(
        self, daemon_set: Object, pods: list[Object], history: revisions.Revisions
    ) -> None:
        view = self._view(daemon_set, pods, revisions.hash_of(history.update))
        old, status = daemon_set.get("status") or {}, plan.plan_status(view)
        if history.collisions:
            status["collisionCount"] = history.collisions
        if old.get("conditions"):
            status["conditions"] = old["conditions"]
        await self._write_status(daemon_set, status)
        self._await_available(daemon_set, pods)

    def _view(self, daemon_set: Object, pods: list[Object], hashed: str) -> plan.View:
        nodes = sorted(self._nodes.items(), key=meta.name)
        return plan.View(daemon_set, nodes, plan.by_node(pods), hashed, self._now())
