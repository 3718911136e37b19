# SPDX-License-Identifier: Apache-2.0
"""RuntimeSuite: what every container runtime driver must do. Subclass it and give it a `runtime`.

class TestMine(RuntimeSuite):
    @pytest.fixture
    async def runtime(self): yield Mine()
"""

import asyncio
import os

import pytest

from pybernetes.cri.types import Config, Container, CriError, NotFound, Runtime

CGROUP = f"/pybernetes-suite-{os.getpid()}"  # runs side by side do not meet


def sandbox_config(name: str = "pod") -> Config:
    """A PodSandboxConfig in the host's network."""
    meta = {"name": name, "uid": f"uid-{name}", "namespace": "default", "attempt": 0}
    spaces = {"network": "NODE", "pid": "POD", "ipc": "POD"}
    return {
        "metadata": meta,
        "labels": {"app": name},
        "annotations": {"note": "kept"},
        "linux": {
            "cgroup_parent": CGROUP,
            "security_context": {"namespace_options": spaces},
        },
    }


def container_config(image: str, *command: str) -> Config:
    spaces = {"network": "NODE", "pid": "CONTAINER"}
    return {
        "metadata": {"name": "main", "attempt": 0},
        "image": {"image": image},
        "command": list(command),
        "labels": {"container": "main"},
        "linux": {"security_context": {"namespace_options": spaces}},
    }


class RuntimeSuite:
    """The tests. `image` must be there already, or be pullable, and hold `sleep`."""

    image = "docker.io/library/busybox:latest"

    async def run_pod(self, runtime: Runtime) -> tuple[str, str]:
        """A running pod with one sleeping container: ids of sandbox and container."""
        if await runtime.image_status(self.image) is None:
            await runtime.pull_image(self.image)
        config = sandbox_config()
        sandbox = await runtime.run_sandbox(config)
        spec = container_config(self.image, "sleep", "1000")
        container = await runtime.create_container(sandbox, spec, config)
        await runtime.start_container(container)
        return sandbox, container

    async def remove(self, runtime: Runtime, sandbox: str) -> None:
        await runtime.stop_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)

    async def test_says_what_it_is(self, runtime: Runtime) -> None:
        version = await runtime.version()
        assert version.name
        assert version.api_version == "v1"
        assert not [text for text in await runtime.trouble() if "runtime not ready" in text]

    async def test_life_of_a_pod(self, runtime: Runtime) -> None:
        sandbox, container = await self.run_pod(runtime)
        found = await runtime.sandbox_status(sandbox)
        assert (found.name, found.uid, found.ready) == ("pod", "uid-pod", True)
        assert (found.labels, found.annotations["note"]) == ({"app": "pod"}, "kept")
        status = await runtime.container_status(container)
        assert (status.state, status.name) == ("running", "main")
        assert 0 < status.created_at <= status.started_at
        await runtime.stop_container(container, 0)
        status = await runtime.container_status(container)
        assert (status.state, status.exit_code) == ("exited", 137)
        assert status.finished_at >= status.started_at
        await self.remove(runtime, sandbox)
        assert await runtime.list_sandboxes() == []
        assert await runtime.list_containers() == []

    async def test_stopping_a_sandbox_ends_its_containers(self, runtime: Runtime) -> None:
        sandbox, container = await self.run_pod(runtime)
        await runtime.stop_sandbox(sandbox)
        assert not (await runtime.sandbox_status(sandbox)).ready
        assert (await runtime.container_status(container)).state == "exited"
        await self.remove(runtime, sandbox)

    async def test_what_is_gone_may_be_removed_again(self, runtime: Runtime) -> None:
        sandbox, container = await self.run_pod(runtime)
        await self.remove(runtime, sandbox)
        await self.remove(runtime, sandbox)
        await runtime.stop_container(container, 1)
        await runtime.remove_container(container)
        with pytest.raises(NotFound):
            await runtime.container_status(container)
        with pytest.raises(CriError):
            await runtime.start_container(container)

    async def test_lists_name_their_sandbox(self, runtime: Runtime) -> None:
        sandbox, container = await self.run_pod(runtime)
        rows: list[Container] = await runtime.list_containers()
        assert [(row.id, row.sandbox_id, row.labels) for row in rows] == [
            (container, sandbox, {"container": "main"})
        ]
        await self.remove(runtime, sandbox)

    async def test_pods_start_side_by_side(self, runtime: Runtime) -> None:
        names = ["a", "b", "c"]
        ids = await asyncio.gather(*(runtime.run_sandbox(sandbox_config(n)) for n in names))
        assert sorted(item.name for item in await runtime.list_sandboxes()) == names
        for sandbox in ids:
            await self.remove(runtime, sandbox)
