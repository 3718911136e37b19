# SPDX-License-Identifier: Apache-2.0
"""What controllers share whose objects own pods: informers, keys, claims, status."""

from collections.abc import Callable, Iterable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.podcontrol import PodControl
from pybernetes.controllers.runtime.pods import next_available
from pybernetes.controllers.runtime.resources import PODS
from pybernetes.controllers.runtime.writes import Writes

_ALWAYS = frozenset((  # counts whose absence means "not looked at yet"
    *("replicas", "terminatingReplicas", "ready", "terminating"),
    *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
))  # fmt: skip


def comparable(status: Object) -> Object:
    """A status as the API keeps it: absent and zero are one, but for some counts."""
    return {key: value for key, value in status.items() if value or key in _ALWAYS}


class Workload:
    """Keys are namespace/name of the owner."""

    def __init__(self, context: Context, gvr: GVR, kind: str) -> None:
        self._context = context
        self._client = context.client
        self._gvr = gvr
        self._owners = context.informers.get(gvr)
        self._pods = context.informers.get(PODS)
        self._writes = Writes(context.env.clock, self._pods)
        self._control = PodControl(context, self._writes)
        owners.index_by_controller(self._pods)
        self._owners.on_change(lambda old, new: context.queue.add(meta.key(new or old or {})))
        owners.enqueue_owner(self._pods, kind, self._owners, context.queue.add)

    async def _claimed(
        self, owner: Object, wanted: Callable[[Object], bool] = lambda _: True
    ) -> list[Object]:
        """The owner's pods, after adopting and letting go, of those that are `wanted` at all."""
        return await owners.claimed(
            self._client, (self._gvr, PODS), owner, self._pods, wanted=wanted
        )

    async def _write_status(self, owner: Object, status: Object) -> Object | None:
        """What the server answered; None where nothing had to be written."""
        if comparable(status) == comparable(owner.get("status") or {}):
            return None
        return await self._client.update_status(self._gvr, owner, status)

    def _await_available(self, owner: Object, pods: Iterable[Object]) -> None:
        """Look again when the next ready pod counts as available."""
        min_ready, now = owner["spec"].get("minReadySeconds") or 0, self._context.env.clock.now()
        wait = next_available(list(pods), min_ready, now)
        if wait is not None:
            self._context.queue.add_after(meta.key(owner), wait)
