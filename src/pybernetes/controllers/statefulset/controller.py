# SPDX-License-Identifier: Apache-2.0
"""Acts for StatefulSets: claims and pods one step at a time, revisions, status."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.batches import all_at_once, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CLAIMS, STATEFUL_SETS
from pybernetes.controllers.runtime.revisions import Revised, Revisions
from pybernetes.controllers.statefulset import identity, plan
from pybernetes.controllers.statefulset.identity import Slots, ordinal


class StatefulSetController(Revised):
    def __init__(self, context: Context) -> None:
        super().__init__(context, STATEFUL_SETS, "StatefulSet")
        self._claims = context.informers.get(CLAIMS)

    def _may_own(self, owner: Object, pod: Object) -> bool:
        return ordinal(owner, pod) >= 0

    async def _manage(self, owner: Object, pods: list[Object], history: Revisions) -> None:
        slots = identity.slots(owner, pods)
        await self._own_claims(owner, slots)
        step = plan.plan_step(owner, slots, history, self._now())

        async def make(number: int) -> None:
            await self._make_claims(owner, number)
            revision = plan.revision_for(owner, history, number)
            with forgiving("AlreadyExists"):
                await self._create(owner, identity.new_pod(owner, revision, number))

        for pod in step.recreate:
            text = f"StatefulSet {meta.key(owner)} is recreating failed Pod {meta.name(pod)}"
            self._event(owner, "Warning", "RecreatingFailedPod", text)
        await all_at_once([*step.recreate, *step.delete], lambda pod: self._delete(owner, pod))
        await all_at_once(step.create, make)

    def _status(self, owner: Object, pods: list[Object], history: Revisions) -> Object:
        status = plan.plan_status(owner, pods, history, self._now())
        return status | {"collisionCount": history.collisions}

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
