# SPDX-License-Identifier: Apache-2.0
"""Many kubelets in one process, on one set of informers: thousands of hollow nodes stay cheap."""

import asyncio
from collections.abc import Callable

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.cri.types import Runtime
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.kubelet import Kubelet, Shared


class Fleet:
    """`client` watches for all; `client_for(node name)` is what each kubelet writes as.

    Nodes may be added, started and stopped at any time.
    """

    def __init__(self, env: Env, client: Client, client_for: Callable[[str], Client]) -> None:
        self._env = env
        self._client_for = client_for
        self._informers = Informers(env, client)
        self._pods = self._informers.get(naming.PODS)
        self._pods.add_index("node", lambda pod: [pod["spec"].get("nodeName", "")])
        self._pods.on_change(self._pod_changed)
        self._shared = Shared(
            services=self._informers.get(naming.SERVICES),
            nodes=self._informers.get(naming.NODES),
            recorder=Recorder(env, client, "kubelet"),
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: TaskGroup | None = None
        self.kubelets: dict[str, Kubelet] = {}

    def add(self, runtime: Runtime, config: Config) -> Kubelet:
        """A node more; it starts at once if the fleet runs."""
        name = config.node_name
        client = self._client_for(name)
        kubelet = Kubelet(self._env, client, runtime, config, shared=self._shared)
        self.kubelets[name] = kubelet
        for pod in self._pods.by_index("node", name):
            kubelet.pod_changed(None, pod)
        if self._group is not None:
            self.start(name)
        return kubelet

    def start(self, name: str) -> None:
        """Run a node (again)."""
        if self._group is not None and name not in self._tasks:
            self._tasks[name] = self._group.start(self.kubelets[name].run(), name)

    def stop(self, name: str) -> None:
        """A node stops at once, as if its power had gone: it says nothing to anybody."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def run(self) -> None:
        """Run all nodes until cancelled."""
        async with TaskGroup("fleet") as group:
            group.start(self._informers.run(), "informers")
            group.start(self._shared.recorder.run(), "events")
            await self._informers.wait_synced()
            self._group = group
            try:
                for name in self.kubelets:
                    self.start(name)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
                self._tasks.clear()

    async def wait_ready(self) -> None:
        for kubelet in list(self.kubelets.values()):
            await kubelet.wait_ready()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Tell the kubelet concerned; a pod that moved is two changes."""
        before = (old or {}).get("spec", {}).get("nodeName", "")
        after = (new or {}).get("spec", {}).get("nodeName", "")
        if before and before != after and before in self.kubelets:
            self.kubelets[before].pod_changed(old, None)
        if after in self.kubelets:
            self.kubelets[after].pod_changed(old if before == after else None, new)
