# SPDX-License-Identifier: Apache-2.0
"""Garbage: old dead containers, unused sandboxes, log links and folders of pods long gone."""

import asyncio
import contextlib
import shutil
from collections.abc import Sequence

from pybernetes.base import logs
from pybernetes.cri.types import Container, CriError, Sandbox
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.pods.tools import Tools
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.podstate import PodState
from pybernetes.linux import mounts

_log = logs.get("kubelet.gc")


async def run(tools: Tools, workers: Workers) -> None:
    """Collect once a minute until cancelled."""
    while True:
        await asyncio.sleep(tools.config.gc_interval)
        for state in tools.pleg.states():
            await _collect(tools, state)
        await workers.share_cpu()
        uids = {record.uid for record in workers.records()}
        await tools.env.offload.run(_folders, tools.config, uids, tools.env.clock.time())


def doomed(state: PodState, keep: int) -> tuple[list[Container], list[Sandbox]]:
    """Dead containers beyond the newest and `keep` more of each name; sandboxes nobody is in."""
    seen: dict[str, int] = {}
    containers = []
    for item in state.containers:
        seen[item.name] = seen.get(item.name, 0) + 1
        if item.state == "exited" and seen[item.name] > 1 + keep:
            containers.append(item)
    gone = {item.id for item in containers}
    used = {item.sandbox_id for item in state.containers if item.id not in gone}
    old: Sequence[Sandbox] = state.sandboxes[1:]
    return containers, [item for item in old if not item.ready and item.id not in used]


async def _collect(tools: Tools, state: PodState) -> None:
    containers, sandboxes = doomed(state, tools.config.keep_dead_containers)
    try:
        for container in containers:
            await tools.runtime.remove_container(container.id)
        for sandbox in sandboxes:
            await tools.runtime.remove_sandbox(sandbox.id)
    except CriError as error:
        _log.warning("Garbage could not be removed", pod=state.name, err=error)


def _folders(config: Config, uids: set[str], now: float) -> None:
    """Folders, logs and links of pods long gone (a crash between our steps)."""
    for root in (config.pods_dir, config.pod_logs_dir):
        for folder in root.iterdir() if root.is_dir() else ():
            old = now - folder.stat().st_mtime > config.gc_interval
            if old and folder.name.rpartition("_")[2] not in uids:
                mounts.detach_below(folder)
                shutil.rmtree(folder, ignore_errors=True)
    links = config.container_logs_dir
    for link in links.iterdir() if links.is_dir() else ():
        with contextlib.suppress(OSError):
            if not link.exists():
                link.unlink()
