# SPDX-License-Identifier: Apache-2.0
"""Hollow nodes: kubelets whose runtime starts nothing, any number of them in this process.

They share informers (filled as the administrator: a kubelet alone may see only its own node's
pods); everything a kubelet writes or asks for it does as its own node.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import is_finished, is_ready
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.gate import Gated
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.cmd.identities import ADMIN, ClientFor, node_user
from pybernetes.cmd.labconfig import LabConfig
from pybernetes.cmd.labjoin import Joining
from pybernetes.cri.hollow import Delays, Hollow
from pybernetes.cri.script import Script
from pybernetes.cri.stages import Stages
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.tools import Shared
from pybernetes.wire.types import Handler, Reply, Request

NODE_RANGE = ipaddress.IPv4Network("172.30.0.0/16")  # addresses that nothing listens on
POD_RANGE = ipaddress.IPv4Network("100.64.0.0/10")  # pods' until a node is told its podCIDR
CAPACITY: Mapping[str, str] = {
    "cpu": "4",
    "memory": "16Gi",
    "ephemeral-storage": "100Gi",
    "pods": "110",
}
PODS, NODES = GVR("", "v1", "pods"), GVR("", "v1", "nodes")
SERVICES = GVR("", "v1", "services")
BY_NODE, UNSETTLED = "node", "unsettled"
HEARTBEAT = 5.0  # seconds after which a fork's sleeping nodes start, before they are missed
AT_ONCE = 100  # requests of all of them; an API server takes 200 writes


@dataclass(frozen=True, slots=True)
class HollowNode:
    """One node. Without an address of its own it has one that nothing listens on."""

    name: str
    address: str = ""
    port: int = 10250
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)


def numbered(count: int, prefix: str = "hollow") -> list[HollowNode]:
    """`prefix`-0, ... (just `prefix` where there is one)."""
    names = [f"{prefix}-{number}" if count > 1 else prefix for number in range(count)]
    return [HollowNode(name) for name in names]


async def introduced(env: Env, lab: LabConfig, client: Client) -> Sequence[HollowNode]:
    """Hollow nodes in the place of a lab's, on a machine that cannot run containers: they have joined."""
    joining = Joining(env, client)
    for node in lab.nodes:
        await joining.introduce(node)
    return [
        HollowNode(
            node.name,
            node.address,
            labels=node.own_labels,
            taints=node.all_taints,
            capacity=node.capacity,
        )
        for node in lab.nodes
    ]


class HollowFleet:
    """Hollow nodes. What stages say about a node goes before what its HollowNode says.

    `kubelets` has those that run, by node name; `handlers` reach them, whoever dials nodes.
    """

    def __init__(
        self,
        env: Env,
        client_for: ClientFor,
        nodes: Sequence[HollowNode],
        *,
        cache: Client | None = None,  # fills the informers
        stages: Stages | None = None,
        delays: Delays | None = None,
        origin: "HollowFleet | None" = None,  # we are its fork: containers go on, stopped nodes stay so
    ) -> None:
        self._stages = stages.seeded(env.random.child("stages")) if stages else Stages()
        self._delays = delays
        self._env = env
        self._client_for = client_for
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._given = {node.name: node for node in nodes}
        self._number = {name: number for number, name in enumerate(self._given)}
        self.kubelets: dict[str, Kubelet] = {}
        self._runtimes: dict[str, Hollow] = {}
        self.handlers: dict[str, Handler] = {name: self._handler(name) for name in self._given}
        self._informers = Informers(env, cache or client_for(ADMIN))
        if origin is not None:
            self._informers.share(origin._informers)
        single = nodes[0].name if len(nodes) == 1 else ""
        of_pods, of_nodes = (f"spec.nodeName={single}", f"metadata.name={single}")
        self._pods = self._informers.get(PODS, field_selector=of_pods if single else "")
        self._nodes = self._informers.get(NODES, field_selector=of_nodes if single else "")
        self._services = self._informers.get(SERVICES)
        self._pods.add_index(BY_NODE, lambda pod: [_node_of(pod)])
        self._pods.add_index(UNSETTLED, lambda pod: [] if _is_settled(pod) else [_node_of(pod)])
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._group: TaskGroup | None = None
        self._started = asyncio.Event()
        self._stopped: dict[str, None] = dict(origin._stopped) if origin else {}
        self._asleep: dict[str, None] = {}  # a fork's nodes that have nothing to do
        self._may_sleep = origin is not None and stages is None
        for name, runtime in origin._runtimes.items() if origin else ():
            if runtime.is_used:
                self._runtime(name).share(runtime)

    @property
    def nodes(self) -> Sequence[HollowNode]:
        return list(self._given.values())

    def _runtime(self, name: str) -> Hollow:
        if name not in self._runtimes:
            place = POD_RANGE[256 * self._number[name]]
            self._runtimes[name] = Hollow(
                self._env, self._delays, stages=self._stages, node=name, pod_range=f"{place}/24"
            )
        return self._runtimes[name]

    async def run(self) -> None:
        """Run all of them until cancelled."""
        if not self._given:
            self._started.set()
            return
        async with TaskGroup("hollow nodes") as group:
            group.start(self._informers.run(), "informers")
            await self._informers.wait_synced()
            self._pods.on_change(self._pod_changed)
            self._group = group
            for name in self._given:
                if self._may_sleep and not self._pods.by_index(UNSETTLED, name):
                    self._asleep |= {} if name in self._stopped else {name: None}
                    continue
                if name not in self._stopped:
                    self.start(name)
                if (script := self._runtime(name).script).node.lost:
                    group.start(self._lose(name, script), name)
            self._started.set()
            await asyncio.sleep(HEARTBEAT)
            while self._asleep:
                self.start(next(iter(self._asleep)))
                await asyncio.sleep(0)
            await asyncio.get_running_loop().create_future()  # until cancelled

    async def wait_ready(self) -> None:
        """Until every node that runs is registered and takes care of pods."""
        await self._started.wait()
        for kubelet in list(self.kubelets.values()):
            await kubelet.wait_ready()

    async def _lose(self, name: str, script: Script) -> None:
        for alive, gone in script.losses():
            await asyncio.sleep(alive)
            self.stop(name)
            await asyncio.sleep(gone)
            self.start(name)

    def start(self, name: str) -> None:
        """Start a node (again): of containers it may have had, none runs any more."""
        assert self._group is not None, "the fleet does not run"
        if name in self._running:
            return
        self._asleep.pop(name, None)
        self._stopped.pop(name, None)
        client = Gated(self._client_for(node_user(name)), self._gate)
        recorder = Recorder(self._env, client, "kubelet", name)
        shared = Shared(self._services, self._nodes, recorder)
        runtime = self._runtime(name)
        runtime.resume()
        given, said = self._given[name], runtime.script.node
        config = KubeletConfig(
            node_name=name,
            node_ips=(given.address or str(NODE_RANGE[self._number[name] + 1]),),
            port=given.port,
            node_labels={**given.labels, **said.labels},
            register_with_taints=given.taints,
            capacity={**CAPACITY, **given.capacity, **said.capacity},
            eviction_hard={},
        )
        kubelet = Kubelet(self._env, client, runtime, config, shared=shared)
        self.kubelets[name] = kubelet
        for pod in self._pods.by_index(BY_NODE, name):
            kubelet.pod_changed(None, pod)
        self._running[name] = self._group.start(_run_node(kubelet, recorder), name)

    def stop(self, name: str) -> None:
        """A node stops at once, as if its power had gone: it says nothing to anybody."""
        if name in self._stopped:
            return
        self._stopped[name] = None
        self._asleep.pop(name, None)
        if task := self._running.pop(name, None):
            del self.kubelets[name]
            task.cancel()
        self._runtime(name).lose_power()

    def node_of(self, namespace: str, pod: str) -> str:
        """The node that a pod is on; "" if it is on none of ours."""
        return _node_of(self._pods.find(namespace, pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        name = _node_of(new or old)
        if name in self._asleep:
            self.start(name)  # which looks at all its pods
        elif name in self.kubelets:
            self.kubelets[name].pod_changed(old, new)

    def _handler(self, name: str) -> Handler:
        def handle(request: Request) -> Reply | Awaitable[Reply]:
            if name in self._asleep:
                self.start(name)
            kubelet = self.kubelets.get(name)
            if kubelet is None:
                raise ConnectionError(f"node {name} does not run")
            return kubelet.handler(request)

        return handle


async def _run_node(kubelet: Kubelet, recorder: Recorder) -> None:
    async with TaskGroup("node") as group:
        group.start(recorder.run(), "events")
        await kubelet.run()


def _node_of(pod: Object | None) -> str:
    return (pod or {}).get("spec", {}).get("nodeName") or ""


def _is_settled(pod: Object) -> bool:
    """Whether its node has nothing to do for it until somebody changes it."""
    return "deletionTimestamp" not in pod["metadata"] and (is_ready(pod) or is_finished(pod))
