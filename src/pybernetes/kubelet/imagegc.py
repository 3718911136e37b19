# SPDX-License-Identifier: Apache-2.0
"""Images nobody uses go when the node runs short of disk."""

from pybernetes.base import logs, metrics
from pybernetes.cri.types import CriError, Image
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.images")
PINNED = "registry.k8s.io/pause"  # never collected, besides what the runtime pins


async def collect(tools: Tools) -> None:
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
    images = [item for item in await tools.runtime.list_images() if not item.pinned]
    free = [item for item in images if not busy & {item.id, *item.tags, *item.digests}]
    return [item for item in free if not any(tag.startswith(PINNED) for tag in item.tags)]
