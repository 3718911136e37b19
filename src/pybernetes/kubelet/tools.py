# SPDX-License-Identifier: Apache-2.0
"""What every pod worker of one kubelet works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.client.types import Client
from pybernetes.cri.types import Runtime
from pybernetes.kubelet import naming
from pybernetes.kubelet.checkpoint import Checkpoint
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.containers.dns import Resolver
from pybernetes.kubelet.images import Images
from pybernetes.kubelet.objects import Objects, Tokens
from pybernetes.kubelet.pleg import Pleg
from pybernetes.kubelet.podcertificates import PodCertificates
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.manager import Probes
from pybernetes.kubelet.statusmanager import StatusManager


@dataclass(slots=True)
class Tools:
    """The parts of one kubelet. Functions read the informers."""

    env: Env
    config: Config
    client: Client
    runtime: Runtime
    recorder: Recorder
    checkpoint: Checkpoint
    objects: Objects
    tokens: Tokens
    certificates: PodCertificates
    pleg: Pleg
    images: Images
    probes: Probes
    statuses: StatusManager
    resolver: Resolver
    memory_capacity: int
    services: Callable[[str], Sequence[Object]]  # whose variables pods of a namespace see
    allocatable: Callable[[], Mapping[str, str]]
    node: Callable[[], Object]

    def address(self, state: PodState) -> str:
        """Where a pod is reached: its own address, or the node's."""
        return next(iter((*state.ips, *self.config.node_ips)), "127.0.0.1")

    def event(
        self, pod: Object, kind: str, reason: str, message: str, *, container: str = ""
    ) -> None:
        """An event about a pod, or about a container of it."""
        path = naming.field_path(pod, container) if container else ""
        self.recorder.event(pod, kind, reason, message, field_path=path)
