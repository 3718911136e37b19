# SPDX-License-Identifier: Apache-2.0
"""Hollow nodes: kubelets whose runtime starts nothing, any number of them in this process."""

import asyncio
import ipaddress
from typing import Any

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cmd.identities import ClientFor, node_user
from pybernetes.cri.hollow import Hollow
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet

NODE_RANGE = ipaddress.IPv4Network("172.30.0.0/16")  # addresses that nothing listens on
CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}


class HollowFleet:
    """`count` hollow nodes named `prefix`-0, ... (just `prefix` where there is one).

    `kubelets` by node name, for whoever dials nodes.
    """

    def __init__(self, env: Env, client_for: ClientFor, count: int, prefix: str = "hollow") -> None:
        names = [prefix] if count == 1 else [f"{prefix}-{number}" for number in range(count)]
        self.kubelets = {
            name: Kubelet(env, client_for(node_user(name)), Hollow(env), _config(name, number))
            for number, name in enumerate(names)
        }
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._group: TaskGroup | None = None

    async def run(self) -> None:
        """Run all of them until cancelled."""
        async with TaskGroup("hollow nodes") as group:
            self._group = group
            for name in self.kubelets:
                self.start(name)
            await asyncio.get_running_loop().create_future()  # until cancelled

    def start(self, name: str) -> None:
        """Start a node (again)."""
        assert self._group is not None, "the fleet does not run"
        if name not in self._running:
            self._running[name] = self._group.start(self.kubelets[name].run(), name)

    def stop(self, name: str) -> None:
        """A node stops at once, as if its power had gone: it says nothing to anybody."""
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()


def _config(name: str, number: int) -> KubeletConfig:
    return KubeletConfig(node_name=name, node_ips=(str(NODE_RANGE[number + 1]),), capacity=CAPACITY)
