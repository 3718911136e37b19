# SPDX-License-Identifier: Apache-2.0
"""Acts for ReplicaSets, and, with the other row of the registry, for ReplicationControllers."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_active
from pybernetes.controllers.replicaset.plan import (
    plan_replicas,
    plan_status,
    without_zeros,
)
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import all_at_once, slow_start
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.podcontrol import PodControl
from pybernetes.controllers.runtime.pods import from_template, is_terminating, next_available
from pybernetes.controllers.runtime.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from pybernetes.controllers.runtime.writes import Writes


class ReplicaSetController:
    """Keys are namespace/name of the owner."""

    def __init__(self, context: Context, gvr: GVR, kind: str) -> None:
        self._context = context
        self._gvr = gvr
        self._pods = context.informers.get(PODS)
        self._sets = context.informers.get(gvr)
        self._writes = Writes(context.env.clock, self._pods)
        self._control = PodControl(context, self._writes)
        owners.index_by_controller(self._pods)
        owners.index_by_controller(self._sets)
        self._sets.on_change(lambda old, new: context.queue.add(meta.key(new or old or {})))
        owners.enqueue_owner(self._pods, kind, self._sets, context.queue.add)

    async def sync(self, key: str) -> None:
        owner = self._sets.find(*meta.split_key(key))
        if owner is None:
            self._writes.forget(key)
            return
        pods = await self._claim(owner)
        failure: Exception | None = None
        if not meta.is_deleting(owner) and self._writes.seen(key):
            try:
                await self._manage(owner, [pod for pod in pods if is_active(pod)])
            except (ApiError, ConnectionError) as error:
                failure = error
        now = self._context.env.clock.now()
        await self._write_status(owner, plan_status(owner, pods, str(failure or ""), now))
        if failure is not None:
            raise failure
        wait = next_available(pods, owner["spec"].get("minReadySeconds") or 0, now)
        if wait is not None:
            self._context.queue.add_after(key, wait)

    async def _claim(self, owner: Object) -> list[Object]:
        candidates = [
            pod
            for pod in owners.owned_or_orphaned(self._pods, owner)
            if is_active(pod) or is_terminating(pod)
        ]
        claim = owners.plan_claim(owner, owners.selector_of(owner), candidates)
        return await owners.apply_claim(self._context.client, (self._gvr, PODS), owner, claim)

    async def _manage(self, owner: Object, active: list[Object]) -> None:
        now = self._context.env.clock.now()
        plan = plan_replicas(owner, active, self._related(owner, active), now)

        async def create(_: int) -> None:
            pod = from_template(owner, owner["spec"].get("template") or {})
            await self._control.create(owner, pod)

        async def delete(pod: Object) -> None:
            await self._control.delete(owner, pod)

        await slow_start(range(plan.create), create)
        await all_at_once(plan.delete, delete)

    def _related(self, owner: Object, active: list[Object]) -> list[Object]:
        """Pods of all sets with the same controller as this one."""
        reference = meta.controller_of(owner)
        if reference is None:
            return active
        siblings = self._sets.by_index(owners.BY_CONTROLLER, reference["uid"])
        return [
            pod
            for sibling in siblings
            for pod in self._pods.by_index(owners.BY_CONTROLLER, meta.uid(sibling))
        ]

    async def _write_status(self, owner: Object, status: Object) -> None:
        old = owner.get("status") or {}
        if without_zeros(old) == without_zeros(status):
            return
        changed = owner | {"status": status}
        await self._context.client.update(
            self._gvr, changed, meta.namespace(owner), subresource="status"
        )


def build(context: Context) -> ReplicaSetController:
    return ReplicaSetController(context, REPLICA_SETS, "ReplicaSet")


def build_replication(context: Context) -> ReplicaSetController:
    return ReplicaSetController(context, REPLICATION_CONTROLLERS, "ReplicationController")
