# SPDX-License-Identifier: Apache-2.0
"""Acts on nodes: marks silent ones Unknown, taints by condition, marks pods of lost nodes."""

from collections.abc import Callable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_ready
from pybernetes.client.queue import TokenBucket
from pybernetes.controllers.nodelifecycle import plan
from pybernetes.controllers.nodelifecycle.health import Heartbeats
from pybernetes.controllers.runtime import resources
from pybernetes.controllers.runtime.batches import get_if_there
from pybernetes.controllers.runtime.controller import Context, Keyed

LEASE_NAMESPACE = "kube-node-lease"
BY_ZONE = "zone"
RETRY = 5.0  # seconds until a node asks again for its turn (upstream looks at all as often)


class NodeLifecycleController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(resources.NODES))
        self._clock = context.env.clock
        self._pods = context.informers.get(resources.PODS)
        self._leases = context.informers.get(resources.LEASES, LEASE_NAMESPACE)
        self._heartbeats = Heartbeats(context.env.clock)
        self._registered: dict[str, str] = {}  # name -> uid
        self._ready: dict[str, str] = {}  # name -> status of Ready at the last look
        self._unmarked: dict[str, None] = {}  # nodes whose pods are still to be marked
        self._limits: dict[str, tuple[float, TokenBucket]] = {}  # zone -> rate, tokens
        self._states: dict[str, tuple[str, plan.Disruption]] = {}  # zone -> revision, state
        self._cut_off = False  # every node is lost: it is rather us who are cut off
        resources.index_by_node(self._pods)
        self._objects.add_index(BY_ZONE, lambda node: [plan.zone_of(node)])
        self._objects.on_change(self._node_changed)
        self._leases.on_change(lambda _, new: self._heartbeats.lease(new) if new else None)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        node = new or old
        if node is None:
            return
        if new is not None:
            self._heartbeats.node(new)
        if old is None or new is None or _needs_look(old, new):
            self._queue.add(meta.name(node))

    async def _sync(self, key: str, node: Object) -> None:
        self._register(node)
        node = await self._check_silence(node)
        self._check_cut_off()
        await self._report_transition(node)
        await self._set_taints(node)

    def _register(self, node: Object) -> None:
        name, uid = meta.name(node), meta.uid(node)
        if self._registered.get(name) != uid:
            self._registered[name] = uid
            self._tell(name, uid, "RegisteredNode", f"event: Registered Node {name} in Controller")

    async def _gone(self, key: str) -> None:
        uid = self._registered.pop(key, None)
        if uid is not None:
            self._tell(key, uid, "RemovingNode", f"event: Removing Node {key} from Controller")
        self._heartbeats.forget(key)
        self._ready.pop(key, None)
        self._unmarked.pop(key, None)

    def _tell(self, name: str, uid: str, reason: str, text: str) -> None:
        self._event(resources.reference(name, uid), "Normal", reason, f"Node {name} {text}")

    async def _check_silence(self, node: Object) -> Object:
        """Mark a node Unknown that was not heard of for too long; the node as it then is."""
        name, config = meta.name(node), self._context.config
        grace = config.node_monitor_grace_period
        if plan.ready(node) is None:
            grace = config.node_startup_grace_period
        left = grace - self._heartbeats.silent(name)
        if left < 0:
            # The cache may lag: nobody is declared lost before the API was asked.
            if lease := await get_if_there(self._client, resources.LEASES, name, LEASE_NAMESPACE):
                self._heartbeats.lease(lease)
            left = grace - self._heartbeats.silent(name)
        if left >= 0:
            self._queue.add_after(name, left + 0.1)
            return node
        changed = plan.plan_silent(node, self._clock.now())
        if changed is None:
            return node
        status = {**(node.get("status") or {}), "conditions": changed}
        return await self._client.update_status(resources.NODES, node, status)

    async def _report_transition(self, node: Object) -> None:
        name, status = meta.name(node), plan.ready_status(node)
        before, self._ready[name] = self._ready.get(name), status
        if before == "True" and status != "True":
            self._tell(name, meta.uid(node), "NodeNotReady", "status is now: NodeNotReady")
        # None: we have just started
        if before in ("True", None) and status in ("False", "Unknown"):
            self._unmarked[name] = None
        if status == "True":
            self._unmarked.pop(name, None)
        elif name in self._unmarked:
            for pod in filter(is_ready, self._pods.by_index(resources.BY_NODE, name)):
                await self._mark(pod)
            del self._unmarked[name]

    async def _mark(self, pod: Object) -> None:
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(self._now())}
        patch = {"status": {"conditions": [condition]}}
        with forgiving(404, 409):
            await self._client.patch_object(resources.PODS, pod, patch, subresource="status")
            self._event(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _set_taints(self, node: Object) -> None:
        planned = plan.plan_taints(node, self._no_execute(node), self._clock.now())
        if planned is None:
            return
        version = meta.resource_version(node)
        patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": planned or None}}
        await self._client.patch(resources.NODES, meta.name(node), patch)

    def _no_execute(self, node: Object) -> str:
        """The key of the NoExecute taint that the node may have now; tries again if not yet."""
        key = plan.no_execute_key(node)
        if not key or self._cut_off:
            return ""
        if any(map(plan.is_no_execute, resources.taints(node))) or self._take_token(
            plan.zone_of(node)
        ):
            return key
        self._queue.add_after(meta.name(node), RETRY)
        return ""

    def _check_cut_off(self) -> None:
        """Nobody is evicted while all nodes are lost; then, and after it, all are looked at."""
        cut_off = self._state("*", self._objects.items) == "full"
        if cut_off != self._cut_off:
            self._cut_off = cut_off
            for node in self._objects.items():
                self._queue.add(meta.name(node))

    def _state(self, zone: str, members: Callable[[], list[Object]]) -> plan.Disruption:
        """The state of a zone ("*": of the cluster), counted once for each version of the nodes."""
        version = self._objects.resource_version
        known = self._states.get(zone)
        if known is None or known[0] != version:
            state = plan.disruption(members(), self._context.config.unhealthy_zone_threshold)
            known = self._states[zone] = (version, state)
        return known[1]

    def _take_token(self, zone: str) -> bool:
        config = self._context.config
        members = self._objects.by_index(BY_ZONE, zone)
        rate = plan.eviction_rate(self._state(zone, lambda: members), len(members), config)
        if rate == 0:
            return False
        known = self._limits.get(zone)
        if known is None or known[0] != rate:
            known = self._limits[zone] = (rate, TokenBucket(self._clock, rate, 1))
        return known[1].try_take()


def _needs_look(old: Object, new: Object) -> bool:
    """Heartbeats alone change nothing."""

    def relevant(node: Object) -> object:
        listed = (node.get("status") or {}).get("conditions") or ()
        statuses = [(one.get("type"), one.get("status")) for one in listed]
        return node.get("spec"), statuses, meta.labels(node)

    return relevant(old) != relevant(new)
