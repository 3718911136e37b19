# SPDX-License-Identifier: Apache-2.0
"""What every pod worker of one kubelet works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.client.informer import BY_NAMESPACE, Informer
from pybernetes.client.types import Client
from pybernetes.cri.types import Runtime
from pybernetes.kubelet import naming
from pybernetes.kubelet.checkpoint import Checkpoint
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.containers import dns
from pybernetes.kubelet.images import Images
from pybernetes.kubelet.node import machine, plan
from pybernetes.kubelet.node.controller import NodeController
from pybernetes.kubelet.objects import Objects
from pybernetes.kubelet.pleg import Pleg
from pybernetes.kubelet.podcertificates import PodCertificates
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.manager import Probes
from pybernetes.kubelet.statusmanager import StatusManager

STATE = "pod_state.json"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the kubelets of one process share: informers of services and nodes, event recorder."""

    services: Informer
    nodes: Informer
    recorder: Recorder


class Tools:
    """The parts of one kubelet.

    `wake(uid)` is called when the runtime's state of a pod changed; `shown(uid)` is the object whose
    status is the pod's.
    """

    def __init__(
        self,
        env: Env,
        client: Client,
        runtime: Runtime,
        config: Config,
        *,
        shared: Shared,
        wake: Callable[[str], None],
        shown: Callable[[str], Object | None],
    ) -> None:
        self.env, self.client, self.runtime, self.config = env, client, runtime, config
        self.shared, hollow = shared, runtime.hollow
        self.machine = machine.hollow(config.node_name) if hollow else machine.measure(config.data)
        self.node_controller = NodeController(env, client, runtime, config, machine=self.machine)
        self.node_controller.seen = self._seen
        self.node_controller.event = self.node_event
        self.pleg = Pleg(env, runtime, config.relist_interval, wake)
        self.checkpoint = Checkpoint(env, None if hollow else config.data / STATE)
        self.objects = Objects(env, client, config.volume_interval)
        self.certificates = PodCertificates(env, client, self.node)
        self.images = Images(env, runtime, shared.recorder, config, lookup=self.objects.fresh)
        self.probes = Probes(env, runtime, shared.recorder, self.pleg.state)
        self.statuses = StatusManager(client, shown)
        told = not hollow and config.resolv_conf.exists()
        self.resolver = dns.parse(config.resolv_conf.read_text() if told else "")

    def _seen(self) -> Object | None:
        return self.shared.nodes.find("", self.config.node_name)

    def node(self) -> Object:
        """Our Node, as new as we know."""
        known = self._seen() or self.node_controller.node
        return known or plan.expected(self.config, self.machine)

    @property
    def capacity(self) -> Mapping[str, str]:
        return plan.capacity(self.config, self.machine)

    @property
    def memory(self) -> int:
        """Bytes that the node has."""
        return quantity.parse(self.capacity["memory"]).to_int()

    def allocatable(self) -> Mapping[str, str]:
        return (self.node().get("status") or {}).get("allocatable") or self.capacity

    def services(self, namespace: str) -> Sequence[Object]:
        """Whose variables pods of a namespace see."""
        services = self.shared.services
        found = sorted(services.by_index(BY_NAMESPACE, namespace), key=naming.key)
        master = services.find("default", "kubernetes")
        if master is not None and namespace != "default":
            found.insert(0, master)
        return found

    def address(self, state: PodState) -> str:
        """Where a pod is reached: its own address, or the node's."""
        return next(iter((*state.ips, *self.config.node_ips)), "127.0.0.1")

    def event(
        self, pod: Object, kind: str, reason: str, message: str, *, container: str = ""
    ) -> None:
        """An event about a pod, or about a container of it."""
        path = naming.field_path(pod, container) if container else ""
        self.shared.recorder.event(pod, kind, reason, message, field_path=path)

    def node_event(self, kind: str, reason: str, message: str) -> None:
        """An event about the node."""
        metadata = {"name": self.config.node_name, "uid": self.config.node_name}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        self.shared.recorder.event(node, kind, reason, message)
