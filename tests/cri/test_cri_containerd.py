# SPDX-License-Identifier: Apache-2.0
"""containerd over CRI: the common suite against a private containerd, its clean-up included."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.cri.containerd import Containerd, method
from pybernetes.cri.types import CriError
from pybernetes.images import builtin, mirror
from pybernetes.linux import cgroups, mounts
from pybernetes.machine import cleanup
from pybernetes.machine.config import Config
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.testing.cri import CGROUP, RuntimeSuite, container_config, sandbox_config

DATA = Path(f"/tmp/pybernetes-cri-{os.getpid()}")  # short: a socket is in it
GROUP = CGROUP


def test_messages_are_built_from_the_committed_fields():
    request = method("RuntimeService", "RunPodSandbox").request(config=sandbox_config())
    again = type(request).FromString(request.SerializeToString())
    assert again.config.metadata.uid == "uid-pod"
    assert again.config.linux.security_context.namespace_options.network == 2  # NODE
    with pytest.raises(KeyError):
        method("RuntimeService", "Nonsense")


@pytest.mark.node
class TestContainerd(RuntimeSuite):
    @pytest.fixture
    async def runtime(self):
        config = Config(DATA)
        daemon = PrivateContainerd(Env(), config)
        await daemon.start()
        runtime = Containerd(daemon.socket)
        await builtin.ensure(runtime, daemon.socket, DATA / "images")
        yield runtime
        await runtime.close()

    @classmethod
    def teardown_class(cls):
        shutil.rmtree(DATA, ignore_errors=True)

    async def test_exec_and_exit_codes(self, runtime):
        sandbox, container = await self.run_pod(runtime)
        result = await runtime.exec_sync(container, ["sh", "-c", "echo out; echo err >&2; exit 4"])
        assert (result.stdout, result.stderr, result.exit_code) == (b"out\n", b"err\n", 4)
        await self.remove(runtime, sandbox)

    async def test_a_loaded_image_can_be_pulled_and_no_other(self, runtime):
        config = Config(DATA)
        listener = await mirror.start(Env(), str(config.socket), config.certs)
        try:
            known = await runtime.image_status(builtin.WEB)
            for _ in range(2):  # a pull leaves an image of its own
                assert await runtime.pull_image(builtin.WEB) == known.id
            with pytest.raises(CriError):
                await runtime.pull_image("localhost:1/never/loaded:1")
        finally:
            await listener.close()

    async def test_the_pause_container_reaps_orphans(self, runtime):
        config = sandbox_config()
        sandbox = await runtime.run_sandbox(config)
        spec = container_config(builtin.BUSYBOX, "sh", "-c", "(sleep 0.1 &) ; sleep 100")
        spec["linux"]["security_context"]["namespace_options"]["pid"] = "POD"
        container = await runtime.create_container(sandbox, spec, config)
        await runtime.start_container(container)
        shown = await runtime.exec_sync(container, ["sh", "-c", "sleep 0.5; ps -o stat,args"])
        assert b"sleep 100" in shown.stdout
        assert not [line for line in shown.stdout.splitlines() if line.startswith(b"Z")]
        await self.remove(runtime, sandbox)

    async def test_daemon_is_adopted_and_everything_can_be_removed(self, runtime):
        """Last: even after kill -9 of the daemon nothing may be left."""
        config = Config(DATA)
        daemon = PrivateContainerd(Env(), config)
        assert not await daemon.start()  # adopted
        _, container = await self.run_pod(runtime)
        assert cleanup.shims(config)
        os.kill(daemon.pid(), signal.SIGKILL)
        assert await daemon.start()
        assert (await runtime.container_status(container)).state == "running"
        os.kill(daemon.pid(), signal.SIGKILL)
        assert await cleanup.remove(Env(), config, GROUP) == []
        assert cleanup.shims(config) == []
        assert mounts.below(DATA) == []
        assert cgroups.trees(GROUP) == []
        assert daemon.pid() is None
