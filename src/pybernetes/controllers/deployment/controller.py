# SPDX-License-Identifier: Apache-2.0
"""Acts for Deployments: makes, sizes and removes ReplicaSets, and writes the status."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_finished
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.deployment import plan, status
from pybernetes.controllers.deployment.plan import Sets, Sizes
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import delete_if_there, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from pybernetes.controllers.runtime.workload import Owning


class DeploymentController(Owning):
    def __init__(self, context: Context) -> None:
        super().__init__(context, DEPLOYMENTS, "Deployment", REPLICA_SETS)
        self._pods = context.informers.get(PODS)
        owners.index_by_controller(self._pods)
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Recreate waits for the last old pod to go."""
        if old is None or (new is not None and not is_finished(new)):
            return
        reference = meta.controller_of(old)
        if reference is None or reference.get("kind") != "ReplicaSet":
            return
        owner = self._owned.find(meta.namespace(old), reference["name"])
        above = meta.controller_of(owner) if owner else None
        if above is not None and above.get("kind") == "Deployment":
            found = self._owners.find(meta.namespace(old), above["name"])
            if found is not None and not plan.is_rolling(found):
                self._queue.add(meta.key(found))

    async def _sync(self, key: str, owner: Object) -> None:
        if not self._writes.seen(key):
            return
        deployment = copy_object(owner)
        sets = plan.split(deployment, await self._claimed(deployment))
        if meta.is_deleting(deployment):
            await self._put_status(deployment, status.plan_status(deployment, sets, self._now()))
            return
        await self._progress(deployment, status.paused_words(deployment), "Unknown")
        sets = await self._sync_revision(deployment, sets)
        if deployment["spec"].get("paused") or plan.is_scaling(deployment, sets):
            await self._rescale(deployment, sets)
        elif plan.is_rolling(deployment):
            await self._roll(deployment, sets)
        else:
            await self._recreate(deployment, sets)

    # --- the steps of a sync

    async def _rescale(self, deployment: Object, sets: Sets) -> None:
        sets = await self._resize(deployment, sets, plan.plan_scale(deployment, sets))
        if deployment["spec"].get("paused"):
            await self._clean_up(deployment, sets)
        await self._put_status(deployment, status.plan_status(deployment, sets, self._now()))

    async def _roll(self, deployment: Object, sets: Sets) -> None:
        if sets.new is None:
            sets = await self._create_new(deployment, sets)
        sets = await self._resize(deployment, sets, plan.plan_rolling(deployment, sets))
        await self._finish(deployment, sets)

    async def _recreate(self, deployment: Object, sets: Sets) -> None:
        down = {meta.name(one): 0 for one in plan.active(sets.old)}
        if down:
            sets = await self._resize(deployment, sets, down)
        elif not self._old_pods_run(sets):
            if sets.new is None:
                sets = await self._create_new(deployment, sets)
            if sets.new is not None and plan.size(sets.new) != plan.size(deployment):
                target = {meta.name(sets.new): plan.size(deployment)}
                sets = await self._resize(deployment, sets, target)
        await self._finish(deployment, sets)

    def _old_pods_run(self, sets: Sets) -> bool:
        if plan.status_sum(sets.old, "replicas"):
            return True
        pods = [
            pod
            for one in sets.old
            for pod in self._pods.by_index(owners.BY_CONTROLLER, meta.uid(one))
        ]
        return not all(is_finished(pod) for pod in pods)

    async def _finish(self, deployment: Object, sets: Sets) -> None:
        if status.is_complete(deployment, deployment.get("status") or {}):
            await self._clean_up(deployment, sets)
        now = self._now()
        planned = status.plan_rollout_status(deployment, sets, now)
        if not await self._put_status(deployment, planned):
            wait = status.next_look(deployment, planned, now)
            if wait is not None:
                self._queue.add_after(meta.key(deployment), wait)

    # --- ReplicaSets

    async def _sync_revision(self, deployment: Object, sets: Sets) -> Sets:
        """Keep annotations and minReadySeconds of the new ReplicaSet, and our revision, current."""
        new = sets.new
        if new is None:
            return sets
        newest = max((plan.revision(one) for one in sets.old), default=0) + 1
        annotations = plan.set_annotations(deployment, new, newest)
        min_ready = deployment["spec"].get("minReadySeconds") or 0
        if annotations != meta.annotations(new) or min_ready != (
            new["spec"].get("minReadySeconds") or 0
        ):
            changed = copy_object(new)
            changed["metadata"]["annotations"] = annotations
            changed["spec"]["minReadySeconds"] = min_ready
            new = await self._update_set(deployment, changed)
        await self._set_revision(deployment, str(plan.revision(new) or newest))
        if not conditions.of(deployment, "Progressing"):
            words = ("FoundNewReplicaSet", f'Found new replica set "{meta.name(new)}"')
            await self._progress(deployment, words)
        return Sets(new, sets.old)

    async def _set_revision(self, deployment: Object, revision: str) -> None:
        annotations = {**meta.annotations(deployment), plan.REVISION: revision}
        if annotations != meta.annotations(deployment):
            metadata = {**deployment["metadata"], "annotations": annotations}
            changed = deployment | {"metadata": metadata}
            self._adopt(deployment, await self._client.update(DEPLOYMENTS, changed))

    async def _create_new(self, deployment: Object, sets: Sets) -> Sets:
        new = plan.new_replica_set(deployment, sets)
        name = meta.name(new)
        try:
            made = await self._client.create(REPLICA_SETS, new)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return await self._exists_already(deployment, sets, new)
            if not is_terminating_namespace(error):
                words = (
                    "ReplicaSetCreateError",
                    f'Failed to create new replica set "{name}": {error}',
                )
                self._event(deployment, "Warning", *words)
                await self._progress(deployment, words, "False")
            raise
        self._writes.wrote(meta.key(deployment), made)
        if plan.size(made) > 0:
            text = f"Scaled up replica set {name} from 0 to {plan.size(made)}"
            self._event(deployment, "Normal", "ScalingReplicaSet", text)
        await self._set_revision(deployment, str(plan.revision(made)))
        words = ("NewReplicaSetCreated", f'Created new replica set "{name}"')
        await self._progress(deployment, words)
        return Sets(made, sets.old)

    async def _exists_already(self, deployment: Object, sets: Sets, new: Object) -> Sets:
        """Ours, not seen yet; or another template's with the same hash: count the collision."""
        found = await self._client.get(REPLICA_SETS, meta.name(new), meta.namespace(new))
        same = plan.template_key(found["spec"]["template"]) == plan.template_key(
            deployment["spec"]["template"]
        )
        if same and meta.is_controlled_by(found, deployment):
            return Sets(found, [one for one in sets.old if meta.uid(one) != meta.uid(found)])
        old = deployment.get("status") or {}
        collisions = (old.get("collisionCount") or 0) + 1
        await self._put_status(deployment, old | {"collisionCount": collisions})
        raise ApiError(409, "Conflict", f"replica set {meta.name(new)} belongs to another template")

    async def _resize(self, deployment: Object, sets: Sets, sizes: Sizes) -> Sets:
        """Apply planned sizes; the sets as they are afterwards."""
        old = [await self._resize_one(deployment, one, sizes) for one in sets.old]
        new = await self._resize_one(deployment, sets.new, sizes) if sets.new else None
        return Sets(new, old)

    async def _resize_one(self, deployment: Object, one: Object, sizes: Sizes) -> Object:
        target, before = sizes.get(meta.name(one)), plan.size(one)
        if target is None:
            return one
        annotations = {**meta.annotations(one), **plan.size_annotations(deployment)}
        if target == before and annotations == meta.annotations(one):
            return one
        changed = copy_object(one)
        changed["spec"]["replicas"] = target
        changed["metadata"]["annotations"] = annotations
        made = await self._update_set(deployment, changed)
        if target != before:
            verb = "up" if target > before else "down"
            text = f"Scaled {verb} replica set {meta.name(one)} from {before} to {target}"
            self._event(deployment, "Normal", "ScalingReplicaSet", text)
        return made

    async def _update_set(self, deployment: Object, changed: Object) -> Object:
        made = await self._client.update(REPLICA_SETS, changed)
        self._writes.wrote(meta.key(deployment), made)
        return made

    async def _clean_up(self, deployment: Object, sets: Sets) -> None:
        for one in plan.plan_cleanup(deployment, sets):
            await delete_if_there(self._client, REPLICA_SETS, one)
            self._writes.deleted(meta.key(deployment), one)

    # --- the Deployment itself

    async def _progress(
        self, deployment: Object, words: tuple[str, str] | None, value: str = "True"
    ) -> None:
        """Set the Progressing condition (`words`: reason, message), where there is a deadline."""
        if words is not None and status.has_deadline(deployment):
            condition = status.new_condition("Progressing", value, words, self._now())
            old = deployment.get("status") or {}
            listed = conditions.put(old.get("conditions"), condition)
            await self._put_status(deployment, old | {"conditions": listed})

    async def _put_status(self, deployment: Object, new: Object) -> bool:
        """True if it had to be written; `deployment` then is what was written."""
        if (deployment.get("status") or {}) == new:
            return False
        self._adopt(deployment, await self._client.update_status(DEPLOYMENTS, deployment, new))
        return True

    def _adopt(self, deployment: Object, written: Object) -> None:
        """Go on with the version just written. Our copy may be changed: nobody else has it."""
        self._own_writes.wrote(meta.key(deployment), written)
        spec = deployment["spec"]
        deployment.update(written)
        deployment["spec"] = spec  # decisions of one sync are about one spec
