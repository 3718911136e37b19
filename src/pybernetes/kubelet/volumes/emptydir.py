# SPDX-License-Identifier: Apache-2.0
"""emptyDir volumes: a folder that lives as long as the pod, or a tmpfs with medium Memory."""

from pathlib import Path

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import pod_limits
from pybernetes.kubelet.record import MountError
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType
from pybernetes.linux import mounts

_MEDIA = ("", "Memory")


async def prepare(context: VolumeContext, source: Object) -> Path:
    medium = source.get("medium") or ""
    if medium not in _MEDIA:
        raise MountError(f"unsupported emptyDir medium: {medium}")
    texts = [source.get("sizeLimit"), context.tools.allocatable().get("memory")]
    sizes = [quantity.parse(text).to_int() for text in texts if text]
    sizes.append(pod_limits(context.pod).get("memory", 0))
    size = min((size for size in sizes if size), default=0)  # what the pod can have at all
    await context.tools.env.offload.run(_make, context.folder, medium == "Memory", size)
    return context.folder


def _make(folder: Path, memory: bool, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if memory and not folder.is_mount():
        mounts.tmpfs(folder, size)
    elif any(folder.iterdir()):
        return  # a restarted kubelet finds it in use
    if folder.stat().st_mode & 0o777 != 0o777:
        folder.chmod(0o777)


TYPE = VolumeType(prepare)
