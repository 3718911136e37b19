# SPDX-License-Identifier: Apache-2.0
"""What controllers share whose objects own others: informers, keys, claims, status; and pods."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_active
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import (
    all_at_once,
    delete_if_there,
    is_terminating_namespace,
    slow_start,
)
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.pods import available_in
from pybernetes.controllers.runtime.resources import PODS
from pybernetes.controllers.runtime.writes import Writes

T = TypeVar("T")
_ALWAYS = frozenset((  # counts whose absence means "not looked at yet"
    *("replicas", "terminatingReplicas", "ready", "terminating"),
    *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
))  # fmt: skip


def comparable(status: Object) -> Object:
    """A status as the API keeps it: absent and zero are one, but for some counts."""
    return {key: value for key, value in status.items() if value or key in _ALWAYS}


class Owning(Keyed):
    """Keys are namespace/name of the owner, of kind `kind`; `owned`: what it owns.

    An owner is looked at when the cache shows what we wrote into it the last time: until then the
    change that is still to come queues its key again.
    """

    def __init__(self, context: Context, gvr: GVR, kind: str, owned: GVR) -> None:
        super().__init__(context, context.informers.get(gvr))
        self._gvrs = gvr, owned
        self._owners = self._follow(self._objects)
        self._owned = context.informers.get(owned)
        self._own_writes = Writes(context.env.clock, self._owners, context.queue.add)
        self._writes = Writes(context.env.clock, self._owned, context.queue.add)
        for informer in (self._owners, self._owned):
            owners.index_by_controller(informer)
        owners.enqueue_owner(self._owned, kind, self._owners, context.queue.add)

    async def sync(self, key: str) -> None:
        if self._owners.find(*meta.split_key(key)) is None:
            self._own_writes.forget(key)
            self._writes.forget(key)
        if self._own_writes.seen(key):
            await super().sync(key)

    async def _claimed(
        self, owner: Object, wanted: Callable[[Object], bool] = lambda _: True
    ) -> list[Object]:
        """What the owner owns, after adopting and letting go, of those that are `wanted` at all."""
        return await owners.claimed(self._client, self._gvrs, owner, self._owned, wanted=wanted)

    async def _write_status(self, owner: Object, status: Object) -> Object | None:
        """What the server answered; None where nothing had to be written."""
        if comparable(status) == comparable(owner.get("status") or {}):
            return None
        written = await self._client.update_status(self._gvrs[0], owner, status)
        self._own_writes.wrote(meta.key(owner), written)
        return written


class Workload(Owning):
    """Whose objects own pods. Events are those of upstream's RealPodControl."""

    def __init__(self, context: Context, gvr: GVR, kind: str) -> None:
        super().__init__(context, gvr, kind, PODS)

    async def _apply(
        self,
        owner: Object,
        delete: Sequence[Object],
        create: Sequence[T],
        make: Callable[[T], Object],
    ) -> None:
        """Delete pods, and make one of each item of `create`. Raises ApiError."""
        await all_at_once(delete, lambda pod: self._delete(owner, pod))
        await slow_start(create, lambda item: self._create(owner, make(item)))

    async def _create(self, owner: Object, pod: Object) -> None:
        """Nothing comes of it while the namespace is being deleted. Raises ApiError."""
        try:
            made = await self._client.create(PODS, pod)
        except ApiError as error:
            if is_terminating_namespace(error):
                return
            self._tell(owner, "Create", pod, error)
            raise
        self._writes.wrote(meta.key(owner), made)
        self._tell(owner, "Create", made)

    async def _delete(self, owner: Object, pod: Object) -> None:
        try:
            if not await delete_if_there(self._client, PODS, pod):
                return
        except ApiError as error:
            self._tell(owner, "Delete", pod, error)
            raise
        self._writes.deleted(meta.key(owner), pod)
        self._tell(owner, "Delete", pod)

    def _tell(self, owner: Object, verb: str, pod: Object, error: ApiError | None = None) -> None:
        kind, how = ("Warning", "Failed") if error else ("Normal", "Successful")
        self._event(owner, kind, f"{how}{verb}", self._words(owner, verb, pod, error))

    def _words(self, owner: Object, verb: str, pod: Object, error: ApiError | None) -> str:
        """How an event tells of `verb` (Create, Delete)."""
        done, doing = f"{verb}d", f"{verb[:-1].lower()}ing"
        return f"Error {doing}: {error}" if error else f"{done} pod: {meta.name(pod)}"

    def _await_available(self, owner: Object, pods: Iterable[Object]) -> None:
        """Look again when the next ready pod counts as available."""
        times = (available_in(owner, pod, self._now()) for pod in pods if is_active(pod))
        if wait := min(filter(None, times), default=None):
            self._queue.add_after(meta.key(owner), wait)


async def mark_disrupted(
    context: Context, pod: Object, words: tuple[str, str] | None, phase: str = ""
) -> None:
    """Set the condition (reason, message) and, if given, the phase. Raises ApiError."""
    status: Object = {"phase": phase} if phase else {}
    if words is not None:
        condition = conditions.new("DisruptionTarget", "True", words, context.env.clock.now())
        generation = pod["metadata"].get("generation")
        if generation:
            condition["observedGeneration"] = generation
        status["conditions"] = [condition]
    await context.client.patch_object(PODS, pod, {"status": status}, subresource="status")
