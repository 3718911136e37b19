# SPDX-License-Identifier: Apache-2.0
"""Acts for DaemonSets: pods made and removed by node, revisions, rolling updates, status."""

import functools

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.daemonset import plan
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import DAEMON_SETS, NODES, taints
from pybernetes.controllers.runtime.revisions import Revised, Revisions, hash_of

_BACK_OFF = (1.0, 900.0)  # seconds between two tries with failed pods on a node


class DaemonSetController(Revised):
    def __init__(self, context: Context) -> None:
        super().__init__(context, DAEMON_SETS, "DaemonSet")
        self._nodes = context.informers.get(NODES)
        self._failures: dict[tuple[str, str], tuple[float, float]] = {}  # -> (not before, wait)
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old and new and taints(old) == taints(new) and meta.labels(old) == meta.labels(new):
            return
        if new is None:
            self._failures = {
                at: when for at, when in self._failures.items() if at[1] != meta.name(old or {})
            }
        for daemon_set in self._owners.items():
            self._queue.add(meta.key(daemon_set))

    async def _gone(self, key: str) -> None:
        self._failures = {at: when for at, when in self._failures.items() if at[0] != key}

    async def _sync(self, key: str, owner: Object) -> None:
        if not meta.is_deleting(owner):
            await super()._sync(key, owner)

    async def _manage(self, owner: Object, pods: list[Object], history: Revisions) -> None:
        view = self._view(owner, pods, history)
        todo = plan.plan_pods(view)
        delete = [*todo.delete, *self._backed_off(owner, todo.failed)]
        create = list(todo.create)
        strategy = (owner["spec"].get("updateStrategy") or {}).get("type")
        if strategy == "RollingUpdate" and not create and not delete:
            delete, create = plan.plan_update(view)
        burst = slice(plan.BURST)
        make = functools.partial(plan.new_pod, owner, view.hashed)
        await self._apply(owner, delete[burst], create[burst], make)

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
            if now - until > 2 * _BACK_OFF[1]:  # long ago: it begins anew
                wait = _BACK_OFF[0] / 2
            wait = min(wait * 2, _BACK_OFF[1])
            self._failures[at] = now + wait, wait
            how = (pod.get("status") or {}).get("phase", "")
            what = f"Found {how.lower()} daemon pod {meta.key(pod)} on node {at[1]}"
            reason = "FailedDaemonPod" if how == "Failed" else "SucceededDaemonPod"
            kind = "Warning" if how == "Failed" else "Normal"
            self._event(daemon_set, kind, reason, f"{what}, will try to kill it")
            ready.append(pod)
        return ready

    def _status(self, owner: Object, pods: list[Object], history: Revisions) -> Object:
        count = {"collisionCount": history.collisions} if history.collisions else {}
        return plan.plan_status(self._view(owner, pods, history)) | count

    def _view(self, daemon_set: Object, pods: list[Object], history: Revisions) -> plan.View:
        nodes, hashed = sorted(self._nodes.items(), key=meta.name), hash_of(history.update)
        return plan.View(daemon_set, nodes, plan.by_node(pods), hashed, self._now())
