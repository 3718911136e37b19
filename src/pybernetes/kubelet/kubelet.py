# SPDX-License-Identifier: Apache-2.0
"""The kubelet: wires its parts together and runs them.

Pods come from an informer on spec.nodeName (or are handed in by a fleet), runtime state from the
PLEG; each change wakes the pod's worker.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.informer import BY_NAMESPACE, Informer, Informers
from pybernetes.client.types import Client
from pybernetes.cri.types import CriError, Runtime
from pybernetes.kubelet import gc, naming
from pybernetes.kubelet.admission import Policy, is_critical, is_static
from pybernetes.kubelet.auth import Authorization
from pybernetes.kubelet.checkpoint import Checkpoint
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.containers import dns
from pybernetes.kubelet.counts import Counts
from pybernetes.kubelet.eviction.manager import Evictions
from pybernetes.kubelet.imagegc import ImageCollector
from pybernetes.kubelet.images import Images
from pybernetes.kubelet.logs import rotation
from pybernetes.kubelet.node import machine, plan
from pybernetes.kubelet.node.controller import NodeController
from pybernetes.kubelet.nodeapi import NodeView
from pybernetes.kubelet.objects import Objects, Tokens
from pybernetes.kubelet.pleg import Pleg
from pybernetes.kubelet.podcertificates import PodCertificates
from pybernetes.kubelet.pods import podcgroup
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.probes.manager import Probes
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.kubelet.staticpods import StaticPods, is_mirror
from pybernetes.kubelet.stats import Gatherer
from pybernetes.kubelet.statusmanager import StatusManager
from pybernetes.kubelet.tools import Tools
from pybernetes.wire.types import Handler

APPARMOR = Path("/sys/kernel/security/apparmor")
_log = logs.get("kubelet")
STATE = "pod_state.json"
FLUSH = 2.0  # seconds for the API to hear the last


@dataclass(frozen=True, slots=True)
class Shared:
    """What the kubelets of one process share: informers of services and nodes, event recorder."""

    services: Informer
    nodes: Informer
    recorder: Recorder


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
        self._shared = shared
        self.machine = (
            machine.hollow(config.node_name) if runtime.hollow else machine.measure(config.data)
        )
        self.node_controller = NodeController(env, client, runtime, config, machine=self.machine)
        self.pleg = Pleg(env, runtime, config.relist_interval, lambda uid: self.workers.wake(uid))
        self.tools = self._make_tools()
        self.workers = Workers(self.tools)
        self.static = StaticPods(self.tools, self.workers)
        self.tools.probes.on_result = self.workers.wake
        self.node_controller.trouble = self._trouble
        self.node_controller.seen = lambda: self._shared.nodes.find("", config.node_name)
        authorization = Authorization(env, client, config.node_name)
        gatherer = Gatherer(self.tools, self.machine)
        view = NodeView(self.tools, self.workers, gatherer)
        self.evictions = Evictions(self.tools, self.workers, gatherer, self.event)
        self.images = ImageCollector(self.tools, gatherer, self.event)
        self.evictions.reclaim = self._reclaim_disk
        self.evictions.on_change = self.node_controller.wake
        self.node_controller.pressure = lambda: self.evictions.conditions
        self.node_controller.event = self.event
        self.workers.policy = self._policy
        self.handler: Handler = KubeletServer(env, view, authorization.check).handler
        if self._pods is not None:
            self._pods.on_change(self.pod_changed)

    def _make_tools(self) -> Tools:
        env, config, recorder = self.env, self.config, self._shared.recorder
        objects = Objects(env, self.client, config.volume_interval)
        resolver = dns.Resolver()
        if not self.runtime.hollow and config.resolv_conf.exists():
            resolver = dns.parse(config.resolv_conf.read_text())
        return Tools(
            env=env,
            config=config,
            client=self.client,
            runtime=self.runtime,
            recorder=recorder,
            checkpoint=Checkpoint(env, None if self.runtime.hollow else config.data / STATE),
            objects=objects,
            tokens=Tokens(env, self.client),
            certificates=PodCertificates(env, self.client, self.node),
            pleg=self.pleg,
            images=Images(env, self.runtime, recorder, config, lookup=objects.fresh),
            probes=Probes(env, self.runtime, recorder, self.pleg.state),
            statuses=StatusManager(self.client, self._api_pod),
            resolver=resolver,
            memory_capacity=quantity.parse(plan.capacity(config, self.machine)["memory"]).to_int(),
            services=self._services,
            allocatable=self._allocatable,
            node=self.node,
        )

    def node(self) -> Object:
        """Our Node, as new as we know."""
        seen = self._shared.nodes.find("", self.config.node_name) or self.node_controller.node
        return seen or plan.expected(self.config, self.machine)

    def _allocatable(self) -> Mapping[str, str]:
        status = self.node().get("status") or {}
        found: Mapping[str, str] = status.get("allocatable") or plan.capacity(
            self.config, self.machine
        )
        return found

    def _services(self, namespace: str) -> Sequence[Object]:
        services = self._shared.services
        found = sorted(services.by_index(BY_NAMESPACE, namespace), key=naming.key)
        master = services.find("default", "kubernetes")
        if master is not None and namespace != "default":
            found.insert(0, master)
        return found

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
        await self.node_controller.registered.wait()
        await self.pleg.wait_listed()

    async def run(self) -> None:
        async with TaskGroup(f"kubelet {self.config.node_name}") as group:
            if self._informers is not None:
                if self._own_informers:
                    group.start(self._informers.run(), "informers")
                group.start(self._shared.recorder.run(), "events")
            if not self.runtime.hollow:
                await self._enforce_allocatable()
            group.start(self.pleg.run(), "pleg")
            group.start(self.tools.statuses.run(), "status")
            group.start(self.tools.probes.run(), "probes")
            group.start(self.node_controller.run(), "node")
            group.start(self.workers.run(self._known), "pods")
            if not self.runtime.hollow:
                group.start(self.tools.checkpoint.run(), "checkpoint")
                group.start(gc.run(self.tools, self.workers, self.event), "gc")
                group.start(self.images.run(), "images")
                group.start(self.evictions.run(), "evictions")
                group.start(self._run_static(), "static pods")
                group.start(rotation.run(self.env, self.runtime, self.config), "logs")
                group.start(self._refresh_volumes(), "volumes")
            self.event("Normal", "Starting", "Starting kubelet.")
            counts = Counts(self.tools, self.workers, self.static.mirrors)
            try:
                if not self.runtime.hollow:
                    self.env.metrics.register(counts)
                await asyncio.get_running_loop().create_future()
            finally:
                if not self.runtime.hollow:
                    self.env.metrics.unregister(counts)

    def event(self, kind: str, reason: str, message: str) -> None:
        """An event about the node."""
        metadata = {"name": self.config.node_name, "uid": self.config.node_name}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        self._shared.recorder.event(node, kind, reason, message)

    def _policy(self) -> Policy:
        apparmor = bool(self.runtime.hollow) or APPARMOR.exists()
        return Policy(self.evictions.conditions, self._stopping, apparmor)

    async def _reclaim_disk(self) -> None:
        """Dead containers of pods that are over, and every unused image."""
        await gc.containers(self.tools, self.workers, all_dead=True)
        try:
            await self.images.collect(youngest=0.0)
        except CriError as error:
            _log.warning("Not every unused image can be removed", err=error)

    async def _enforce_allocatable(self) -> None:
        failed = await self.env.offload.run(podcgroup.make_tiers, self.config, self.machine)
        if failed:
            text = f"Failed to update Node Allocatable Limits {', '.join(failed)}"
            self.event("Warning", "FailedNodeAllocatableEnforcement", text)
        else:
            text = "Updated Node Allocatable limit across pods"
            self.event("Normal", "NodeAllocatableEnforced", text)

    async def _known(self) -> None:
        await self.pleg.wait_listed()
        if self._informers is not None:
            await self._informers.wait_synced()
        await self.node_controller.registered.wait()
        if not self.runtime.hollow:
            self.static.load()  # before what nobody wants is ended

    async def _run_static(self) -> None:
        await self.pleg.wait_listed()
        await self.static.run()

    async def shutdown(self, grace: float, critical: float) -> None:
        """End all pods, critical ones last, as upstream does when the machine goes down.

        `grace` seconds in all, `critical` of them for critical pods. The node is not ready from then
        on and takes no more pods.
        """
        self._stopping = True
        self.node_controller.wake()
        self.event("Normal", "Shutdown", "Shutdown manager detected shutdown event")
        for last, seconds in ((False, max(0.0, grace - critical)), (True, critical or grace)):
            pods = [pod for pod in self.workers.active() if is_critical(pod) == last]
            await self._end(pods, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH):
                await self.node_controller.report()

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
        return "node is shutting down" if self._stopping else self.pleg.healthy()

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(self.config.volume_interval)
            for record in self.workers.records():
                if record.pod["spec"].get("volumes") and not record.finished:
                    self.workers.wake(record.uid)
