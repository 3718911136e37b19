# SPDX-License-Identifier: Apache-2.0
"""Acts on the owner graph: deletes garbage, orphans dependents, finishes foreground deletions."""

from typing import Any

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import GVK, GVR, Object, split_api_version
from pybernetes.client.types import MERGE_PATCH
from pybernetes.controllers.garbagecollector import plan
from pybernetes.controllers.garbagecollector.graph import FOREGROUND, ORPHAN, Graph, Node, misnames
from pybernetes.controllers.garbagecollector.monitors import Monitors
from pybernetes.controllers.garbagecollector.plan import OwnerState
from pybernetes.controllers.runtime.batches import all_at_once, delete_if_there, get_if_there
from pybernetes.controllers.runtime.controller import Context, Controller
from pybernetes.controllers.runtime.discovery import Discovery, discover

RESYNC = "discovery"  # the key under which discovery is repeated; other keys are UIDs
RESYNC_SECONDS = 30.0
SYNC_SECONDS = 30.0  # a resource that does not sync by then no longer holds up the others
CRDS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")


class GarbageCollector(Controller):
    """Keys are UIDs of nodes of the graph."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._graph = Graph(context.queue.add)
        self._monitors = Monitors(context.informers, self._graph)
        self._discovery = Discovery([], {}, [])
        self._discovered_at: float | None = None
        self._crds = context.informers.get_metadata(CRDS)
        self._crds.on_change(lambda _old, _new: context.queue.add_after(RESYNC, 1.0))
        context.queue.add(RESYNC)

    async def sync(self, key: str) -> None:
        if key == RESYNC:
            await self._resync()
            return
        if not self._ready():
            self._queue.add_after(key, 0.2)
            return
        node = self._graph.find(key)
        if node is None or node.virtual:
            return  # an owner never seen: its dependents are in the queue themselves
        if node.orphaning:
            await self._orphan(node)
        elif node.deleting_dependents:
            await self._finish_foreground(node)
        elif not node.deleting:
            await self._judge(node)

    async def _resync(self) -> None:
        try:
            self._discovery = await discover(self._client)
        finally:
            self._queue.add_after(RESYNC, RESYNC_SECONDS)
        self._monitors.follow(self._discovery)
        if self._discovered_at is None:
            self._discovered_at = self._context.env.clock.monotonic()

    def _ready(self) -> bool:
        if self._discovered_at is None:
            return False
        waited = self._context.env.clock.monotonic() - self._discovered_at
        return self._monitors.synced or waited > SYNC_SECONDS

    # --- what the API says of a node

    async def _latest(self, node: Node) -> Object | None:
        """The object as it is now; None if it is gone or was replaced."""
        if node.gvr is None:
            return None
        found = await get_if_there(self._client, node.gvr, node.name, node.namespace)
        return found if found is not None and meta.uid(found) == node.uid else None

    # --- deletion of garbage

    async def _judge(self, node: Node) -> None:
        if not node.owners or self._is_safe(node):
            return
        latest = await self._latest(node)
        if latest is None or meta.is_deleting(latest) or node.gvr is None:
            return
        states: dict[str, OwnerState] = {}
        for reference in meta.owner_references(latest):
            states[reference["uid"]] = await self._owner_state(node, reference)
        decision = plan.decide(node, latest, states)
        if decision.unblock:
            patch = {"metadata": {"ownerReferences": plan.unblocked(latest)}}
            latest = await self._patch(node, latest, patch) or latest
        if decision.drop:
            await self._drop_owners(node, latest, decision.drop)
        elif decision.delete is not None:
            await self._delete(node, latest, decision.delete)

    def _is_safe(self, node: Node) -> bool:
        """True if the graph alone shows that all owners are there and stay."""
        for uid, reference in node.owners.items():
            owner = self._graph.find(uid)
            if owner is None or owner.virtual or owner.deleting_dependents:
                return False
            if misnames(reference, owner, node):
                return False
        return True

    async def _owner_state(self, node: Node, reference: Object) -> OwnerState:
        owner = self._graph.find(reference["uid"])
        if owner is not None and not owner.virtual and not misnames(reference, owner, node):
            return "waiting" if owner.deleting_dependents else "solid"
        group, version = split_api_version(reference.get("apiVersion", ""))
        served = self._discovery.kinds.get(GVK(group, version, reference.get("kind", "")))
        if served is None:
            where = f"{reference.get('apiVersion')}, Kind={reference.get('kind')}"
            raise ApiError(404, "NotFound", f"no matches for kind of owner {where}")
        if served.namespaced and not node.namespace:
            self._report_namespace(node, reference)
            return "absent"
        namespace = node.namespace if served.namespaced else ""
        found = await get_if_there(self._client, served.gvr, reference["name"], namespace)
        if found is None or meta.uid(found) != reference["uid"]:
            if owner is not None and not owner.virtual:
                self._report_namespace(node, reference)
            return "absent"
        deleting = meta.is_deleting(found) and meta.has_finalizer(found, FOREGROUND)
        return "waiting" if deleting else "solid"

    def _report_namespace(self, node: Node, reference: Object) -> None:
        obj = {
            "apiVersion": node.kind[0],
            "kind": node.kind[1],
            "metadata": {"name": node.name, "namespace": node.namespace, "uid": node.uid},
        }
        what = (
            f"[{reference.get('apiVersion')}/{reference.get('kind')}, namespace: {node.namespace}, "
            f"name: {reference.get('name')}, uid: {reference.get('uid')}]"
        )
        text = f'ownerRef {what} does not exist in namespace "{node.namespace}"'
        self._event(obj, "Warning", "OwnerRefInvalidNamespace", text)

    async def _delete(self, node: Node, latest: Object, policy: str) -> None:
        preconditions = {"uid": node.uid, "resourceVersion": meta.resource_version(latest)}
        options = {"propagationPolicy": policy, "preconditions": preconditions}
        assert node.gvr is not None
        await delete_if_there(self._client, node.gvr, latest, **options)

    # --- foreground deletion and orphaning

    async def _finish_foreground(self, node: Node) -> None:
        waiting = [one for one in node.dependents.values() if one.blocks(node)]
        if not waiting:
            await self._remove_finalizer(node, FOREGROUND)
            return
        for dependent in waiting:
            if not dependent.deleting_dependents:
                self._queue.add(dependent.uid)

    async def _orphan(self, node: Node) -> None:
        async def let_go(dependent: Node) -> None:
            latest = await self._latest(dependent)
            if latest is not None:
                await self._drop_owners(dependent, latest, (node.uid,))

        await all_at_once(list(node.dependents.values()), let_go)
        await self._remove_finalizer(node, ORPHAN)

    async def _drop_owners(self, node: Node, latest: Object, uids: tuple[str, ...]) -> None:
        left = plan.without_owners(latest, uids)
        if len(left) != len(meta.owner_references(latest)):
            await self._patch(node, latest, {"metadata": {"ownerReferences": left or None}})

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        latest = await self._latest(node)
        if latest is None or not meta.has_finalizer(latest, finalizer):
            return
        left = [one for one in meta.finalizers(latest) if one != finalizer]
        await self._patch(node, latest, {"metadata": {"finalizers": left or None}})

    async def _patch(self, node: Node, latest: Object, patch: dict[str, Any]) -> Object | None:
        """Patch exactly this version of the object; None if it is gone."""
        metadata = {"uid": node.uid, "resourceVersion": meta.resource_version(latest)}
        patch = {"metadata": {**metadata, **patch["metadata"]}}
        assert node.gvr is not None
        with forgiving(404):
            return await self._client.patch(
                node.gvr, node.name, patch, node.namespace, patch_type=MERGE_PATCH
            )
        return None
