# SPDX-License-Identifier: Apache-2.0
"""Creating and deleting pods for an owner, with upstream's events (RealPodControl)."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.controllers.runtime.batches import is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import PODS
from pybernetes.controllers.runtime.writes import Writes


class PodControl:
    """`writes` learns of every pod made and deleted, under the owner's key."""

    def __init__(self, context: Context, writes: Writes) -> None:
        self._client = context.client
        self._recorder = context.recorder
        self._writes = writes

    async def create(self, owner: Object, pod: Object) -> Object | None:
        """The pod; None if its namespace is being deleted."""
        try:
            made = await self._client.create(PODS, pod, meta.namespace(owner))
        except ApiError as error:
            if is_terminating_namespace(error):
                return None
            self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._writes.wrote(meta.key(owner), made)
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(made)}")
        return made

    async def delete(self, owner: Object, pod: Object, verb: str = "Deleted pod") -> None:
        name = meta.name(pod)
        options = {"preconditions": {"uid": meta.uid(pod)}}
        try:
            await self._client.delete(PODS, name, meta.namespace(pod), options=options)
        except ApiError as error:
            if error.code == 404:
                return
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self._writes.deleted(meta.key(owner), pod)
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"{verb}: {name}")


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
