# SPDX-License-Identifier: Apache-2.0
"""The kubelet: wires its parts together and runs them.

Pods come from an informer on spec.nodeName (or are handed in by a fleet), runtime state from the
PLEG; each change wakes the pod's worker.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.types import Client
from pybernetes.cri.types import Runtime
from pybernetes.kubelet import gc, naming
from pybernetes.kubelet.admission import Policy, is_critical, is_static
from pybernetes.kubelet.auth import Authorization
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.counts import Counts
from pybernetes.kubelet.eviction.manager import Evictions
from pybernetes.kubelet.logs import rotation
from pybernetes.kubelet.nodeapi import NodeView
from pybernetes.kubelet.pods import podcgroup
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.kubelet.staticpods import StaticPods, is_mirror
from pybernetes.kubelet.stats import Gatherer
from pybernetes.kubelet.tools import Shared, Tools
from pybernetes.wire.types import Handler

APPARMOR = Path("/sys/kernel/security/apparmor")
FLUSH = 2.0  # seconds for the API to hear the last


class Kubelet:
    """`await run()` works until cancelled; `await wait_ready()` returns once the node is Ready.

    With `shared` (a fleet) the pods are told by `pod_changed`; without, it watches for itself,
    through `informers` (run by their owner) where they are given.
    """

    def __init__(
        self,
        env: Env,
        client: Client,
        runtime: Runtime,
        config: Config,
        *,
        shared: Shared | None = None,
        informers: Informers | None = None,
    ) -> None:
        self.env, self.client, self.runtime, self.config = env, client, runtime, config
        self._stopping = False
        self._informers: Informers | None = None
        self._pods: Informer | None = None
        if shared is None:
            self._own_informers = informers is None
            self._informers = informers or Informers(env, client)
            name = f"={config.node_name}"
            self._pods = self._informers.get(naming.PODS, field_selector=f"spec.nodeName{name}")
            shared = Shared(
                services=self._informers.get(naming.SERVICES),
                nodes=self._informers.get(naming.NODES, field_selector=f"metadata.name{name}"),
                recorder=Recorder(env, client, "kubelet", config.node_name),
            )
        self.tools = Tools(
            env,
            client,
            runtime,
            config,
            shared=shared,
            wake=lambda uid: self.workers.wake(uid),
            shown=self._api_pod,
        )
        self.workers = Workers(self.tools)
        self.static = StaticPods(self.tools, self.workers)
        self.tools.probes.on_result = self.workers.wake
        authorization = Authorization(env, client, config.node_name)
        gatherer = Gatherer(self.tools)
        view = NodeView(self.tools, self.workers, gatherer)
        self.evictions = Evictions(self.tools, self.workers, gatherer)
        self.node = self.tools.node_controller
        self.node.trouble = self._trouble
        self.node.pressure = lambda: self.evictions.conditions
        self.workers.policy = self._policy
        self.handler: Handler = KubeletServer(env, view, authorization.check).handler
        if self._pods is not None:
            self._pods.on_change(self.pod_changed)

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        if is_mirror(new or old or {}):
            self.static.mirror_changed(old, new)
        else:
            self.workers.update(old, new)

    def _api_pod(self, uid: str) -> Object | None:
        """The object whose status is the pod's."""
        pod = self.workers.find(uid)
        return self.static.mirror(uid) if pod is not None and is_static(pod) else pod

    async def wait_ready(self) -> None:
        """Until the node is registered and pods are taken care of."""
        await self.node.registered.wait()
        await self.tools.pleg.wait_listed()

    async def run(self) -> None:
        async with TaskGroup(f"kubelet {self.config.node_name}") as group:
            if self._informers is not None:
                if self._own_informers:
                    group.start(self._informers.run(), "informers")
                group.start(self.tools.shared.recorder.run(), "events")
            if not self.runtime.hollow:
                await self._enforce_allocatable()
            group.start(self.tools.pleg.run(), "pleg")
            group.start(self.tools.statuses.run(), "status")
            group.start(self.tools.probes.run(), "probes")
            group.start(self.node.run(), "node")
            group.start(self.workers.run(self._known), "pods")
            if not self.runtime.hollow:
                group.start(self.tools.checkpoint.run(), "checkpoint")
                group.start(gc.run(self.tools, self.workers), "gc")
                group.start(self.evictions.run(), "evictions")
                group.start(self._run_static(), "static pods")
                group.start(rotation.run(self.tools), "logs")
                group.start(self._refresh_volumes(), "volumes")
            self.tools.node_event("Normal", "Starting", "Starting kubelet.")
            counts = Counts(self.tools, self.workers, self.static.mirrors)
            try:
                if not self.runtime.hollow:
                    self.env.metrics.register(counts)
                await asyncio.get_running_loop().create_future()
            finally:
                if not self.runtime.hollow:
                    self.env.metrics.unregister(counts)

    def _policy(self) -> Policy:
        apparmor = bool(self.runtime.hollow) or APPARMOR.exists()
        return Policy(self.evictions.conditions, self._stopping, apparmor)

    async def _enforce_allocatable(self) -> None:
        failed = await self.env.offload.run(podcgroup.make_tiers, self.config, self.tools.machine)
        if failed:
            text = f"Failed to update Node Allocatable Limits {', '.join(failed)}"
            self.tools.node_event("Warning", "FailedNodeAllocatableEnforcement", text)
        else:
            text = "Updated Node Allocatable limit across pods"
            self.tools.node_event("Normal", "NodeAllocatableEnforced", text)

    async def _known(self) -> None:
        await self.tools.pleg.wait_listed()
        if self._informers is not None:
            await self._informers.wait_synced()
        await self.node.registered.wait()
        if not self.runtime.hollow:
            self.static.load()  # before what nobody wants is ended

    async def _run_static(self) -> None:
        await self.tools.pleg.wait_listed()
        await self.static.run()

    async def shutdown(self, grace: float, critical: float) -> None:
        """End all pods, critical ones last, as upstream does when the machine goes down.

        `grace` seconds in all, `critical` of them for critical pods. The node is not ready from then
        on and takes no more pods.
        """
        self._stopping = True
        self.node.wake()
        self.tools.node_event("Normal", "Shutdown", "Shutdown manager detected shutdown event")
        for last, seconds in ((False, max(0.0, grace - critical)), (True, critical or grace)):
            pods = [pod for pod in self.workers.active() if is_critical(pod) == last]
            await self._end(pods, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH):
                await self.node.report()

    async def _end(self, pods: Sequence[Object], seconds: float) -> None:
        """End pods within so many seconds, and a moment to say so."""
        text = "Pod was terminated in response to imminent node shutdown."
        status, uids = ("Terminated", text), [naming.uid(pod) for pod in pods]
        ends = [self.workers.fail(uid, status, grace=int(seconds), disrupted=text) for uid in uids]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + FLUSH):
                for event in ends:
                    if event is not None:
                        await event.wait()
                for uid in uids:
                    await self.tools.statuses.flush(uid)

    def _trouble(self) -> str:
        return "node is shutting down" if self._stopping else self.tools.pleg.healthy()

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(self.config.volume_interval)
            for record in self.workers.records():
                if record.pod["spec"].get("volumes") and not record.finished:
                    self.workers.wake(record.uid)
