# SPDX-License-Identifier: Apache-2.0
"""replicaset-controller: keeps as many pods of a template as asked for; ReplicationControllers too."""

import datetime
from collections.abc import Sequence
from functools import partial

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_active, is_ready
from pybernetes.controllers.runtime.owners import BY_CONTROLLER
from pybernetes.controllers.runtime.pods import (
    available_in,
    from_template,
    is_terminating,
    to_delete,
)
from pybernetes.controllers.runtime.resources import REPLICA_SETS, REPLICATION_CONTROLLERS
from pybernetes.controllers.runtime.workload import Workload, comparable

BURST = 500  # pods made or deleted in one go


def plan_replicas(
    owner: Object, active: Sequence[Object], related: Sequence[Object], now: datetime.datetime
) -> tuple[int, list[Object]]:
    """(how many to make, which to delete). `active`: the owner's active pods; `related`: of its siblings too."""
    wanted = owner["spec"].get("replicas", 1)
    missing = wanted - len(active)
    if missing >= 0:
        return min(missing, BURST), []
    return 0, to_delete(active, related, min(-missing, BURST), now)


def plan_status(
    owner: Object, pods: Sequence[Object], failure: str, now: datetime.datetime
) -> Object:
    """The new status. `pods`: all claimed ones; `failure`: of making or deleting pods, or ""."""
    spec, old = owner["spec"], owner.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    labels = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
    status: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(labels.items() <= meta.labels(pod).items() for pod in active),
        "readyReplicas": sum(map(is_ready, active)),
        "availableReplicas": sum(available_in(owner, pod, now) == 0 for pod in active),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    if owner["kind"] == "ReplicaSet":
        status["terminatingReplicas"] = sum(map(is_terminating, pods))
    listed = _conditions(old, failure, len(active) - spec.get("replicas", 1), now)
    if listed:
        status["conditions"] = listed
    return comparable(status)


def _conditions(old: Object, failure: str, diff: int, now: datetime.datetime) -> list[Object]:
    listed = list(old.get("conditions") or ())
    known = conditions.find(listed, "ReplicaFailure")
    if failure and known is None:
        reason = "FailedCreate" if diff < 0 else "FailedDelete" if diff > 0 else ""
        words = (reason, failure)
        return conditions.put(listed, conditions.new("ReplicaFailure", "True", words, now))
    return listed if failure else conditions.without(listed, "ReplicaFailure")


class ReplicaSetController(Workload):
    """With the other row of the registry, for ReplicationControllers."""

    async def _sync(self, key: str, owner: Object) -> None:
        pods = await self._claimed(owner, lambda pod: is_active(pod) or is_terminating(pod))
        failure: Exception | None = None
        if not meta.is_deleting(owner) and self._writes.seen(key):
            try:
                await self._manage(owner, [pod for pod in pods if is_active(pod)])
            except (ApiError, ConnectionError) as error:
                failure = error
        await self._write_status(owner, plan_status(owner, pods, str(failure or ""), self._now()))
        if failure is not None:
            raise failure
        self._await_available(owner, pods)

    async def _manage(self, owner: Object, active: list[Object]) -> None:
        related, template = self._related(owner, active), owner["spec"].get("template") or {}
        create, delete = plan_replicas(owner, active, related, self._now())
        await self._apply(owner, delete, range(create), lambda _: from_template(owner, template))

    def _related(self, owner: Object, active: list[Object]) -> list[Object]:
        """Pods of all sets with the same controller as this one."""
        reference = meta.controller_of(owner)
        if reference is None:
            return active
        siblings = self._owners.by_index(BY_CONTROLLER, reference["uid"])
        return [
            pod
            for sibling in siblings
            for pod in self._owned.by_index(BY_CONTROLLER, meta.uid(sibling))
        ]


build = partial(ReplicaSetController, gvr=REPLICA_SETS, kind="ReplicaSet")
build_replication = partial(
    ReplicaSetController, gvr=REPLICATION_CONTROLLERS, kind="ReplicationController"
)
