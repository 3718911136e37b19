# SPDX-License-Identifier: Apache-2.0
"""Takes everything of a node off this machine: pods, shims, mounts, namespaces, cgroups, files.

First politely through CRI (which also releases pod addresses), then by hand, so that it works as
well after `kill -9` of everything or with a broken containerd. Doing it twice is fine.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.containerd import Containerd
from pybernetes.cri.types import CriError, Runtime
from pybernetes.linux import cgroups, mounts
from pybernetes.machine.config import Config
from pybernetes.machine.containerd import PrivateContainerd, StartError

_SHIM = b"containerd-shim"


async def remove(
    env: Env, config: Config, cgroup_root: str, *, keep_images: bool = False
) -> list[str]:
    """End and remove all; what could not be removed, one line each (empty: nothing is left).

    `cgroup_root` is the kubelet's (Config.cgroup_root). `keep_images` leaves containerd's root.
    """
    if config.root.exists():
        await _remove_pods(env, config)
    left = []
    for _ in range(50):
        left = await env.offload.run(_by_hand, config, cgroup_root, keep_images)
        if not left:
            return []
        await asyncio.sleep(0.1)
    return left


async def stop_pods(runtime: Runtime) -> None:
    """Stop and remove every sandbox of the runtime, ten at a time. Raises CriError."""
    sandboxes = await runtime.list_sandboxes()
    gate = asyncio.Semaphore(10)

    async def stop(sandbox_id: str) -> None:
        async with gate:
            await runtime.stop_sandbox(sandbox_id)
            await runtime.remove_sandbox(sandbox_id)

    async with TaskGroup("stop pods") as group:
        for sandbox in sandboxes:
            group.start(stop(sandbox.id), sandbox.name)


async def _remove_pods(env: Env, config: Config) -> None:
    daemon = PrivateContainerd(env, config)
    runtime = Containerd(daemon.socket)
    try:
        await daemon.start()
        async with asyncio.timeout(60):
            await stop_pods(runtime)
    except (StartError, CriError, TimeoutError, OSError):
        pass  # by hand, then
    finally:
        await runtime.close()
        await daemon.stop()


def _by_hand(config: Config, cgroup_root: str, keep_images: bool) -> list[str]:
    """One round of removing what CRI left; what is still there."""
    _kill_shims(config)
    cgroups.kill(cgroup_root)
    _remove_shim_sockets(config)
    mounts.detach_below(config.data)
    left = [] if cgroups.remove(cgroup_root) else [f"cgroup {cgroup_root}"]
    doomed = [
        config.state,
        config.socket,
        config.pid,
        Path(f"{config.socket}.ttrpc"),
        config.config,
    ]
    for path in doomed if keep_images else [*doomed, config.data / "containerd"]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if path.exists():
            left.append(str(path))
    return left + [f"mount {target}" for target in mounts.below(config.data)]


def shims(config: Config) -> list[int]:
    """The shim processes of this node's containerd."""
    ours = str(config.socket).encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if _SHIM in words[0] and any(word.startswith(ours) for word in words):
                    found.append(int(folder.name))
    return sorted(found)


def _kill_shims(config: Config) -> None:
    for pid in shims(config):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _remove_shim_sockets(config: Config) -> None:
    """Sockets of killed shims lie outside our folder; each bundle's `address` names its own."""
    for file in config.state.glob("io.containerd.runtime.v2.task/*/*/address"):
        with contextlib.suppress(OSError):
            Path(file.read_text().removeprefix("unix://")).unlink(missing_ok=True)
