# SPDX-License-Identifier: Apache-2.0
"""Garbage: dead containers, unused sandboxes and images, log links and folders of pods long gone."""

import asyncio
import contextlib
import shutil
from collections.abc import Sequence

from pybernetes.base import logs, metrics
from pybernetes.cri.types import Container, CriError, Image, Sandbox
from pybernetes.kubelet import volumemanager
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.pods import killer
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.gc")
PINNED = "registry.k8s.io/pause"  # never collected, besides what the runtime pins


async def run(tools: Tools, workers: Workers) -> None:
    """Collect once a minute until cancelled."""
    while True:
        await asyncio.sleep(tools.config.gc_interval)
        if workers.synced:  # else pods that nobody has told of yet would be taken for gone
            try:
                await _collect(tools, workers)
            except OSError as error:
                _log.warning("Not all garbage could be collected", err=error)


async def _collect(tools: Tools, workers: Workers) -> None:
    if failed := await containers(tools, workers):
        tools.node_event("Warning", "ContainerGCFailed", ", ".join(failed))
    await workers.share_cpu()
    uids, now = {record.uid for record in workers.records()}, tools.env.clock.time()
    for uid in await tools.env.offload.run(_folders, tools.config, uids, now):
        try:
            await volumemanager.remove(tools, uid)
        except OSError as error:  # something that a pod has mounted, and holds
            _log.warning("Volumes of a pod long gone stay", uid=uid, err=error)


def doomed(state: PodState, keep: int) -> tuple[list[Container], list[Sandbox]]:
    """Dead containers beyond the newest and `keep` more of each name; sandboxes nobody is in."""
    seen: dict[str, int] = {}
    containers = []
    for item in state.containers:
        seen[item.name] = seen.get(item.name, 0) + 1
        if item.state in ("exited", "created") and seen[item.name] > 1 + keep:
            containers.append(item)
    gone = {item.id for item in containers}
    used = {item.sandbox_id for item in state.containers if item.id not in gone}
    old: Sequence[Sandbox] = state.sandboxes[1:]
    return containers, [item for item in old if not item.ready and item.id not in used]


async def containers(tools: Tools, workers: Workers, *, all_dead: bool = False) -> list[str]:
    """Remove what is doomed; with `all_dead` all that does not run of pods that are over.

    What could not be removed, in words.
    """
    failed = []
    over = {record.uid for record in workers.records() if record.cleaned}
    for state in tools.pleg.states():
        keep = -1 if all_dead and state.uid in over else tools.config.keep_dead_containers
        failed += await killer.remove(tools, *doomed(state, keep))
    return failed


async def images(tools: Tools) -> None:
    """Remove every image that is neither pinned nor in use. Raises CriError."""
    about = "Total number of images garbage collected by the kubelet."
    collected = metrics.counter(tools.env, "kubelet_image_garbage_collected", about, ("reason",))
    freed, failed = 0, []
    for image in await _unused(tools):
        _log.info("An unused image goes", image=image.tags or image.id)
        try:
            await tools.runtime.remove_image(image.id)
        except CriError as error:  # the others may go
            failed.append(str(error))
            continue
        collected.labels("space").inc()
        freed += image.size
    if failed:
        text = f"freed {freed} bytes space with errors in image deletion"
        raise CriError(f"{text}: [{', '.join(failed)}]")


async def _unused(tools: Tools) -> list[Image]:
    busy = set(tools.images.viewed.values())
    for container in await tools.runtime.list_containers():
        busy |= {container.image, container.image_ref}
    there = [item for item in await tools.runtime.list_images() if not item.pinned]
    free = [item for item in there if not busy & {item.id, *item.tags, *item.digests}]
    return [item for item in free if not any(tag.startswith(PINNED) for tag in item.tags)]


def _folders(config: Config, uids: set[str], now: float) -> list[str]:
    """Remove logs and links of pods long gone (a crash between our steps); whose volumes are left."""
    gone = []
    for root in (config.pods_dir, config.pod_logs_dir):
        for folder in root.iterdir() if root.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # its pod ends just now
                old = now - folder.stat().st_mtime > config.gc_interval
                if old and folder.name.rpartition("_")[2] not in uids:
                    gone.append(folder)
    for folder in gone:
        if folder.parent == config.pod_logs_dir:
            shutil.rmtree(folder, ignore_errors=True)
    links = config.container_logs_dir
    for link in links.iterdir() if links.is_dir() else ():
        with contextlib.suppress(OSError):
            if not link.exists():
                link.unlink()
    return [folder.name for folder in gone if folder.parent == config.pods_dir]
