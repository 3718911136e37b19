# SPDX-License-Identifier: Apache-2.0
"""Acts for ReplicaSets, and, with the other row of the registry, for ReplicationControllers."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_active
from pybernetes.controllers.replicaset.plan import plan_replicas, plan_status
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import all_at_once, slow_start
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.pods import from_template, is_terminating
from pybernetes.controllers.runtime.resources import REPLICA_SETS, REPLICATION_CONTROLLERS
from pybernetes.controllers.runtime.workload import Workload


class ReplicaSetController(Workload):
    def __init__(self, context: Context, gvr: GVR, kind: str) -> None:
        super().__init__(context, gvr, kind)
        owners.index_by_controller(self._owners)

    async def sync(self, key: str) -> None:
        owner = self._owners.find(*meta.split_key(key))
        if owner is None:
            self._writes.forget(key)
            return
        pods = await self._claimed(owner, lambda pod: is_active(pod) or is_terminating(pod))
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
        self._await_available(owner, pods)

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
        siblings = self._owners.by_index(owners.BY_CONTROLLER, reference["uid"])
        return [
            pod
            for sibling in siblings
            for pod in self._pods.by_index(owners.BY_CONTROLLER, meta.uid(sibling))
        ]


def build(context: Context) -> ReplicaSetController:
    return ReplicaSetController(context, REPLICA_SETS, "ReplicaSet")


def build_replication(context: Context) -> ReplicaSetController:
    return ReplicaSetController(context, REPLICATION_CONTROLLERS, "ReplicationController")
