# SPDX-License-Identifier: Apache-2.0
"""Registers the node, keeps its status and its lease fresh."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.timestamps import rfc3339, rfc3339_micro
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.client.types import STRATEGIC_MERGE_PATCH, Client
from pybernetes.cri.types import CriError, Runtime, Version
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.node import plan
from pybernetes.kubelet.node.machine import Machine

_log = logs.get("kubelet.node")
LEASE_NAMESPACE = "kube-node-lease"
REGISTER_RETRY = 0.5
FIRST_INTERVAL = 0.1  # between looks until the node is Ready for the first time (as upstream)


class NodeController:
    """`node()` of the kubelet reads the informer; this writes."""

    def __init__(
        self, env: Env, client: Client, runtime: Runtime, config: Config, *, machine: Machine
    ) -> None:
        self._env = env
        self._client = client
        self._runtime = runtime
        self._machine = machine
        self._config = config
        self._random = env.random.child(f"kubelet/{config.node_name}")
        self._reported = float("-inf")
        self._known: tuple[Object, plan.Facts | None] = ({}, None)  # seen at the last look
        self._lease: Object | None = None
        self._version: Version | None = None
        self._pod_cidr = ""
        self._was_ready = False  # since this process started
        self._wake = asyncio.Event()
        self.node: Object = {}
        self.registered = asyncio.Event()
        self.trouble: Callable[[], str] = lambda: ""
        self.pressure: Callable[[], Collection[str]] = tuple
        self.event: Callable[[str, str, str], None] = lambda kind, reason, message: None
        self.seen: Callable[[], Object | None] = lambda: None  # what the informer has

    def wake(self) -> None:
        """Look at the status again now."""
        self._wake.set()

    async def run(self) -> None:
        await self._register()
        async with TaskGroup("node") as group:
            group.start(self._keep_lease(), "lease")
            while True:
                self._wake.clear()  # what comes while we look is looked at again
                await self.report()
                self.registered.set()
                await wait_within(self._wake, self._interval())

    def _interval(self) -> float:
        if not self._was_ready:
            return FIRST_INTERVAL
        return self._random.jitter(self._config.status_interval, 0.04)

    async def _register(self) -> None:
        """Create the node, or adopt the one that is there. Tries until it works."""
        wait = REGISTER_RETRY
        while True:
            try:
                await self._create()
            except (ApiError, ConnectionError, CriError) as error:
                _log.info("The node cannot be registered yet", err=error)
            else:
                return
            await asyncio.sleep(wait)
            wait = min(7.0, wait * 2)

    async def _create(self) -> None:
        wanted = plan.registration(self._config, self._machine)
        try:
            facts = await self._facts()
            wanted["status"] = plan.status(wanted, self._config, self._machine, facts)
            self.node = await self._client.create(naming.NODES, wanted)
            if not self._runtime.hollow:
                self._tell({}, wanted["status"])
        except ApiError as error:
            if error.code != 409:
                raise
            labels = {"metadata": {"labels": wanted["metadata"]["labels"]}}
            name, kind = self._config.node_name, STRATEGIC_MERGE_PATCH
            self.node = await self._client.patch(naming.NODES, name, labels, patch_type=kind)

    async def _facts(self) -> plan.Facts:
        """Ask the runtime. Raises CriError only if it never answered."""
        now = rfc3339(self._env.clock.now())
        try:
            version = await self._runtime.version()
            images = await self._runtime.list_images()
            trouble = [self.trouble(), *await self._runtime.trouble()]
        except CriError as error:
            if self._version is None:
                raise
            return plan.Facts(now, self._version, (), f"container runtime is down: {error}")
        self._version = version
        said = ", ".join(text for text in trouble if text)
        return plan.Facts(now, version, images, said, sorted(self.pressure()))

    async def report(self) -> None:
        """Write the status now."""
        try:
            await self._sync()
        except (ApiError, ConnectionError, CriError) as error:
            _log.warning("The node status could not be written", err=error)
            if isinstance(error, ApiError) and error.code == 404:
                await self._register()

    async def _sync(self) -> None:
        node = self.seen() or await self._client.get(naming.NODES, self._config.node_name)
        self.node = node
        await self._use_pod_cidr(node)
        facts = await self._facts()
        self._was_ready = self._was_ready or not facts.trouble
        now = self._env.clock.monotonic()
        due = now - self._reported >= self._config.report_interval
        known, self._known = self._known, (node, replace(facts, now=""))
        if not due and node is known[0] and self._known[1] == known[1]:
            return  # as at the last look, when there was nothing to say
        status = plan.status(node, self._config, self._machine, facts)
        if not due and not plan.changed(node.get("status") or {}, status):
            return
        self._known = ({}, None)
        self.node = await self._client.patch(
            naming.NODES,
            self._config.node_name,
            {"status": {**status, "addresses": [*status["addresses"], {"$patch": "replace"}]}},
            patch_type=STRATEGIC_MERGE_PATCH,
            subresource="status",
        )
        self._reported = now
        self._tell(node.get("status") or {}, status)

    def _tell(self, old: Object, new: Object) -> None:
        """Events about conditions that changed, and about a machine that was started anew."""
        before, now = ((one.get("nodeInfo") or {}).get("bootID") for one in (old, new))
        if before and before != now:
            text = f"Node {self._config.node_name} has been rebooted, boot id: {now}"
            self.event("Warning", "Rebooted", text)
        for reason in plan.events(old, new):
            text = f"Node {self._config.node_name} status is now: {reason}"
            self.event("Normal", reason, text)

    async def _use_pod_cidr(self, node: Object) -> None:
        cidr = node.get("spec", {}).get("podCIDR", "")
        if cidr and cidr != self._pod_cidr:
            await self._runtime.update_runtime_config(cidr)
            self._pod_cidr = cidr

    async def _keep_lease(self) -> None:
        """Renew a quarter of the lease's duration after the last renewal."""
        period = self._config.lease_seconds / 4
        while True:
            try:
                await self._renew()
            except (ApiError, ConnectionError) as error:
                self._lease = None
                _log.warning("The node lease could not be renewed", err=error)
                await asyncio.sleep(self._random.jitter(1.0, 1.0))
                continue
            await asyncio.sleep(self._random.jitter(period, 0.04))

    async def _renew(self) -> None:
        name = self._config.node_name
        if self._lease is None:
            self._lease = await self._get_lease()
        self._lease["spec"] = {
            **(self._lease.get("spec") or {}),
            "holderIdentity": name,
            "leaseDurationSeconds": self._config.lease_seconds,
            "renewTime": rfc3339_micro(self._env.clock.now()),
        }
        if self._lease["metadata"].get("resourceVersion"):
            self._lease = await self._client.update(naming.LEASES, self._lease, LEASE_NAMESPACE)
        else:
            self._lease = await self._client.create(naming.LEASES, self._lease, LEASE_NAMESPACE)

    async def _get_lease(self) -> Object:
        with forgiving(404):
            return await self._client.get(naming.LEASES, self._config.node_name, LEASE_NAMESPACE)
        metadata: Object = {"name": self._config.node_name, "namespace": LEASE_NAMESPACE}
        if self.node:
            metadata["ownerReferences"] = [naming.owner("Node", self.node)]
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
