# SPDX-License-Identifier: Apache-2.0
"""Acts for StatefulSets: claims and pods one step at a time, revisions, status."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime import revisions
from pybernetes.controllers.runtime.batches import all_at_once, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CLAIMS, STATEFUL_SETS
from pybernetes.controllers.runtime.workload import Workload
from pybernetes.controllers.statefulset import identity, plan
from pybernetes.controllers.statefulset.identity import Slots, ordinal


class StatefulSetController(Workload):
    def __init__(self, context: Context) -> None:
        super().__init__(context, STATEFUL_SETS, "StatefulSet")
        self._claims = context.informers.get(CLAIMS)
        self._history = revisions.History(context, STATEFUL_SETS)

    async def sync(self, key: str) -> None:
        stateful_set = self._owners.find(*meta.split_key(key))
        if stateful_set is None:
            self._writes.forget(key)
            return
        pods = await self._claimed(stateful_set, lambda pod: ordinal(stateful_set, pod) >= 0)
        found = await self._history.sync(stateful_set)
        name = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((one for one in found.listed if meta.name(one) == name), found.update)
        revs = plan.Revs(current, found.update)
        failure: Exception | None = None
        slots = identity.slots(stateful_set, pods)
        if not meta.is_deleting(stateful_set) and self._writes.seen(key):
            try:
                await self._own_claims(stateful_set, slots)
                await self._step(stateful_set, slots, revs)
            except (ApiError, ConnectionError) as error:
                failure = error
        await self._report(stateful_set, pods, revs, found.collisions)
        if failure is not None:
            raise failure
        live = {meta.labels(pod).get(revisions.HASH_LABEL, "") for pod in pods}
        await self._history.truncate(stateful_set, found, {*live, meta.name(current)})

    async def _step(self, stateful_set: Object, slots: Slots, revs: plan.Revs) -> None:
        step = plan.plan_step(stateful_set, slots, revs, self._context.env.clock.now())

        async def make(number: int) -> None:
            await self._make_claims(stateful_set, number)
            revision = plan.revision_for(stateful_set, revs, number)
            with forgiving("AlreadyExists"):
                pod = identity.new_pod(stateful_set, revision, number)
                await self._control.create(stateful_set, pod)

        async def end(pod: Object) -> None:
            words = f"delete Pod {meta.name(pod)} in StatefulSet {meta.name(stateful_set)}"
            await self._control.delete(stateful_set, pod, f"{words} successful")

        for pod in step.recreate:
            text = f"StatefulSet {meta.key(stateful_set)} is recreating failed Pod {meta.name(pod)}"
            self._context.recorder.event(stateful_set, "Warning", "RecreatingFailedPod", text)
        await all_at_once([*step.recreate, *step.delete], end)
        await all_at_once(step.create, make)

    async def _make_claims(self, stateful_set: Object, number: int) -> None:
        for claim in identity.claims(stateful_set, number):
            name = meta.name(claim)
            if self._claims.find(meta.namespace(claim), name) is not None:
                continue
            words = f"Claim {name} Pod {meta.name(stateful_set)}-{number} in StatefulSet"
            words = f"create {words} {meta.name(stateful_set)}"
            try:
                await self._client.create(CLAIMS, claim, meta.namespace(claim))
            except ApiError as error:
                if error.reason == "AlreadyExists" or is_terminating_namespace(error):
                    continue
                text = f"{words} failed error: {error}"
                self._context.recorder.event(stateful_set, "Warning", "FailedCreate", text)
                raise
            text = f"{words} success"
            self._context.recorder.event(stateful_set, "Normal", "SuccessfulCreate", text)

    async def _own_claims(self, stateful_set: Object, slots: Slots) -> None:
        """Give claims the owners that the retention policy asks for."""
        pods = [(pod, False) for pod in slots.wanted.values() if pod is not None]
        pods += [(pod, True) for pod in slots.condemned]
        for pod, condemned in pods:
            number = ordinal(stateful_set, pod)
            for wanted in identity.claims(stateful_set, number):
                claim = self._claims.find(meta.namespace(wanted), meta.name(wanted))
                if claim is None:
                    continue
                references = identity.claim_owners(stateful_set, pod, claim, condemned=condemned)
                if references != meta.owner_references(claim):
                    patch = {"ownerReferences": [{"$patch": "replace"}, *references]}
                    await self._client.patch_object(CLAIMS, claim, {"metadata": patch})

    async def _report(
        self, stateful_set: Object, pods: list[Object], revs: plan.Revs, collisions: int
    ) -> None:
        now, old = self._context.env.clock.now(), stateful_set.get("status") or {}
        status = plan.plan_status(stateful_set, pods, revs, now) | {"collisionCount": collisions}
        if old.get("conditions"):
            status["conditions"] = old["conditions"]
        await self._write_status(stateful_set, status)
        self._await_available(stateful_set, pods)
