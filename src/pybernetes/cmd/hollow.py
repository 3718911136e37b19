# SPDX-License-Identifier: Apache-2.0
"""Hollow nodes: kubelets whose runtime starts nothing, any number of them in this process."""

import ipaddress

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cmd.control_plane import ControlPlane
from pybernetes.cmd.node import node_user
from pybernetes.cmd.nodes import Nodes
from pybernetes.cri.hollow import Hollow
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet

NODE_RANGE = ipaddress.IPv4Network("172.30.0.0/16")  # addresses that nothing listens on
CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}


class HollowFleet:
    """`count` hollow nodes named `prefix`-0, ... (just `prefix` where there is one)."""

    def __init__(
        self, env: Env, plane: ControlPlane, dialer: Nodes, count: int, prefix: str = "hollow"
    ) -> None:
        names = [prefix] if count == 1 else [f"{prefix}-{number}" for number in range(count)]
        self.kubelets = {
            name: self._kubelet(env, plane, name, number) for number, name in enumerate(names)
        }
        for name, kubelet in self.kubelets.items():
            dialer.add_local(name, kubelet.handler)

    def _kubelet(self, env: Env, plane: ControlPlane, name: str, number: int) -> Kubelet:
        config = KubeletConfig(
            node_name=name, node_ips=(str(NODE_RANGE[number + 1]),), capacity=CAPACITY
        )
        return Kubelet(env, plane.client(node_user(name)), Hollow(env), config)

    async def run(self) -> None:
        """Run all of them until cancelled."""
        async with TaskGroup("hollow nodes") as group:
            for name, kubelet in self.kubelets.items():
                group.start(kubelet.run(), name)
