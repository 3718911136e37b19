# SPDX-License-Identifier: Apache-2.0
"""Acts for DaemonSets: pods made and removed by node, revisions, rolling updates, status."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.daemonset import plan
from pybernetes.controllers.runtime import revisions
from pybernetes.controllers.runtime.batches import all_at_once, slow_start
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
        if old is not None and new is not None:
            same_marks = taints(old) == taints(new)
            if same_marks and meta.labels(old) == meta.labels(new):
                return
        for daemon_set in self._owners.items():
            self._context.queue.add(meta.key(daemon_set))

    async def sync(self, key: str) -> None:
        daemon_set = self._owners.find(*meta.split_key(key))
        if daemon_set is None:
            self._writes.forget(key)
            self._failures = {at: when for at, when in self._failures.items() if at[0] != key}
            return
        if meta.is_deleting(daemon_set) or not daemon_set["spec"].get("selector"):
            return
        pods = await self._claimed(daemon_set)
        history = await self._history.sync(daemon_set)
        hashed = revisions.hash_of(history.update)
        failure: Exception | None = None
        if self._writes.seen(key):
            try:
                await self._manage(daemon_set, pods, hashed)
            except (ApiError, ConnectionError) as error:
                failure = error
        await self._report(daemon_set, pods, history)
        if failure is not None:
            raise failure
        live = {meta.labels(pod).get(revisions.HASH_LABEL, "") for pod in pods}
        names = {meta.name(one) for one in history.listed if revisions.hash_of(one) in live}
        await self._history.truncate(daemon_set, history, names)

    async def _manage(self, daemon_set: Object, pods: list[Object], hashed: str) -> None:
        view = self._view(daemon_set, pods, hashed)
        todo = plan.plan_pods(view)
        delete = [*todo.delete, *self._backed_off(daemon_set, todo.failed)]
        create = list(todo.create)
        strategy = (daemon_set["spec"].get("updateStrategy") or {}).get("type")
        if strategy == "RollingUpdate" and not create and not delete:
            delete, create = plan.plan_update(view)

        async def make(node: str) -> None:
            await self._control.create(daemon_set, plan.new_pod(daemon_set, node, hashed))

        async def end(pod: Object) -> None:
            await self._control.delete(daemon_set, pod)

        await slow_start(create[: plan.BURST], make)
        await all_at_once(delete[: plan.BURST], end)

    def _backed_off(self, daemon_set: Object, failed: list[Object]) -> list[Object]:
        """Of the pods that ended, those whose node has waited long enough."""
        key, now = meta.key(daemon_set), self._context.env.clock.monotonic()
        ready = []
        for pod in failed:
            at = (key, plan.node_of(pod))
            until, wait = self._failures.get(at, (now, _BACK_OFF[0] / 2))
            if now < until:
                self._context.queue.add_after(key, until - now)
                continue
            wait = min(wait * 2, _BACK_OFF[1])
            self._failures[at] = now + wait, wait
            how = (pod.get("status") or {}).get("phase", "")
            what = f"Found {how.lower()} daemon pod {meta.key(pod)} on node {at[1]}"
            reason = "FailedDaemonPod" if how == "Failed" else "SucceededDaemonPod"
            kind = "Warning" if how == "Failed" else "Normal"
            self._context.recorder.event(daemon_set, kind, reason, f"{what}, will try to kill it")
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
        now = self._context.env.clock.now()
        return plan.View(daemon_set, nodes, plan.by_node(pods), hashed, now)
