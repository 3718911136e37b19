# SPDX-License-Identifier: Apache-2.0
"""Images nobody uses go when the disk fills, longest unused first."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf

from pybernetes.base import logs, metrics
from pybernetes.cri.types import CriError, Image
from pybernetes.kubelet.stats import Filesystem, Gatherer
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.images")
PINNED = "registry.k8s.io/pause"  # never collected, besides what the runtime pins


@dataclass(frozen=True, slots=True)
class Seen:
    """An image: since when it is known, when it was last in use (monotonic time)."""

    image: Image
    first: float
    used: float = -inf


def excess(fs: Filesystem, high: int, low: int) -> int:
    """Bytes to free: once `high` percent are used, down to `low`."""
    if not fs.capacity or 100 - fs.available * 100 // fs.capacity < high:
        return 0
    return max(0, fs.capacity * (100 - low) // 100 - fs.available)


class ImageCollector:
    """`run` until cancelled; `collect()` now. Pinned images and those in use stay."""

    def __init__(self, tools: Tools, gatherer: Gatherer) -> None:
        self._tools, self._gatherer = tools, gatherer
        self._seen: dict[str, Seen] = {}
        self._collected = metrics.counter(
            tools.env,
            "kubelet_image_garbage_collected",
            "Total number of images garbage collected by the kubelet.",
            ("reason",),
        )

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._tools.config.image_gc_interval)
            try:
                await self.sync()
            except (CriError, OSError) as error:
                self._tools.node_event("Warning", "ImageGCFailed", str(error))

    async def sync(self) -> None:
        """What the policy asks for. Raises CriError, OSError."""
        config = self._tools.config
        if config.image_gc_high_threshold_percent >= 100:
            return
        fs = (await self._gatherer.node()).image_fs
        limits = config.image_gc_high_threshold_percent, config.image_gc_low_threshold_percent
        wanted = excess(fs, *limits)
        if not wanted:
            return
        freed = await self.collect(wanted)
        if freed < wanted:
            percent = 100 - fs.available * 100 // fs.capacity
            text = (
                f"Insufficient free disk space on the node's image filesystem ({percent}% of"
                f" {fs.capacity / (1 << 30):.1f} GiB used). Failed to free sufficient space by deleting"
                f" unused images (freed {freed} bytes). Investigate disk usage, as it could be used by"
                " active images, logs, volumes, or other data."
            )
            self._tools.node_event("Warning", "FreeDiskSpaceFailed", text)

    async def collect(self, wanted: float = inf, youngest: float | None = None) -> int:
        """Free `wanted` bytes or what there is; bytes freed. Raises CriError."""
        now = self._tools.env.clock.monotonic()
        age = self._tools.config.image_minimum_gc_age if youngest is None else youngest
        old = [seen for seen in await self._unused() if now - seen.first >= age]
        return await self._remove(old, wanted)

    async def _remove(self, images: Iterable[Seen], wanted: float) -> int:
        freed, failed = 0, []
        for seen in images:
            if freed >= wanted:
                break
            _log.info("An unused image goes", image=seen.image.tags or seen.image.id)
            try:
                await self._tools.runtime.remove_image(seen.image.id)
            except CriError as error:  # the others may go
                failed.append(str(error))
                continue
            self._seen.pop(seen.image.id, None)
            self._collected.labels("space").inc()
            freed += seen.image.size
        if failed:
            text = f"wanted to free {wanted} bytes, but freed {freed} bytes space with errors"
            raise CriError(f"{text} in image deletion: [{', '.join(failed)}]")
        return freed

    async def _unused(self) -> list[Seen]:
        """Longest unused first."""
        now = self._tools.env.clock.monotonic()
        images = {item.id: item for item in await self._tools.runtime.list_images()}
        busy = set(self._tools.images.viewed.values())
        for container in await self._tools.runtime.list_containers():
            busy |= {container.image, container.image_ref}
        known = {id_: self._seen.get(id_, Seen(item, now)) for id_, item in images.items()}
        for id_, item in images.items():
            if busy & {id_, *item.tags, *item.digests}:
                known[id_] = replace(known[id_], used=now)
        self._seen = known
        free = [s for s in known.values() if s.used != now and not s.image.pinned]
        free = [s for s in free if not any(tag.startswith(PINNED) for tag in s.image.tags)]
        return sorted(free, key=lambda seen: (seen.used, seen.first))
