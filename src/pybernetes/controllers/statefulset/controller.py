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

    async def _sync(self, key: str, owner: Object) -> None:
        pods = await self._claimed(owner, lambda pod: ordinal(owner, pod) >= 0)
        found = await self._history.sync(owner)
        name = (owner.get("status") or {}).get("currentRevision")
        current = next((one for one in found.listed if meta.name(one) == name), found.update)
        revs = plan.Revs(current, found.update)
        slots = identity.slots(owner, pods)
        try:
            if not meta.is_deleting(owner) and self._writes.seen(key):
                await self._own_claims(owner, slots)
                await self._step(owner, slots, revs)
        except (ApiError, ConnectionError):
            await self._report(owner, pods, revs, found.collisions)
            raise
        await self._report(owner, pods, revs, found.collisions)
        live = {meta.labels(pod).get(revisions.HASH_LABEL, "") for pod in pods}
        await self._history.truncate(owner, found, {*live, meta.name(current)})

    async def _step(self, stateful_set: Object, slots: Slots, revs: plan.Revs) -> None:
        step = plan.plan_step(stateful_set, slots, revs, self._now())

        async def make(number: int) -> None:
            await self._make_claims(stateful_set, number)
            revision = plan.revision_for(stateful_set, revs, number)
            with forgiving("AlreadyExists"):
                await self._create(stateful_set, identity.new_pod(stateful_set, revision, number))

        for pod in step.recreate:
            text = f"StatefulSet {meta.key(stateful_set)} is recreating failed Pod {meta.name(pod)}"
            self._event(stateful_set, "Warning", "RecreatingFailedPod", text)
        delete = [*step.recreate, *step.delete]
        await all_at_once(delete, lambda pod: self._delete(stateful_set, pod))
        await all_at_once(step.create, make)

    def _tell(self, owner: Object, verb: str, pod: Object, error: ApiError | None = None) -> None:
        if error is None or error.reason != "AlreadyExists":
            super()._tell(owner, verb, pod, error)

    def _words(self, owner: Object, verb: str, pod: Object, error: ApiError | None) -> str:
        how = f"failed error: {error}" if error else "successful"
        return f"{verb} Pod {meta.name(pod)} in StatefulSet {meta.name(owner)} {how}"

    async def _make_claims(self, stateful_set: Object, number: int) -> None:
        for claim in identity.claims(stateful_set, number):
            if self._claims.find(meta.namespace(claim), meta.name(claim)) is not None:
                continue
            pod = f"Pod {meta.name(stateful_set)}-{number} in StatefulSet {meta.name(stateful_set)}"
            try:
                await self._client.create(CLAIMS, claim)
            except ApiError as error:
                if error.reason == "AlreadyExists" or is_terminating_namespace(error):
                    continue
                text = f"Create Claim {meta.name(claim)} for {pod} failed error: {error}"
                self._event(stateful_set, "Warning", "FailedCreate", text)
                raise
            text = f"Create Claim {meta.name(claim)} {pod} success"
            self._event(stateful_set, "Normal", "SuccessfulCreate", text)

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
        old, status = stateful_set.get("status") or {}, {"collisionCount": collisions}
        status |= plan.plan_status(stateful_set, pods, revs, self._now())
        if old.get("conditions"):
            status["conditions"] = old["conditions"]
        await self._write_status(stateful_set, status)
        self._await_available(stateful_set, pods)
