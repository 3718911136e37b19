# SPDX-License-Identifier: Apache-2.0
"""image volumes: an image's files, read-only.

The kubelet mounts them itself: not every runtime knows CRI's image mounts (containerd: from 2.1).
"""

from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Mount
from pybernetes.kubelet import naming
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType
from pybernetes.linux import mounts


async def prepare(context: VolumeContext, source: Object) -> Path:
    images, key = context.tools.images, view_key(naming.uid(context.pod), context.name)
    if await context.tools.env.offload.run(mounts.is_point, context.folder):
        await images.hold(source, key)
    else:
        rows = await images.view(context.pod, source, key)
        await context.tools.env.offload.run(_mount, context.folder, rows[0])
    return context.folder


def view_key(uid: str, volume: str) -> str:
    """The name of a volume's view in the runtime."""
    return f"pybernetes/{uid}/{volume}"


def _mount(folder: Path, row: Mount) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if row.type == "overlay":
        mounts.mount(row.source, folder, row.type, [*row.options, "ro"])
    else:  # an image with one layer
        mounts.bind(Path(row.source), folder, read_only=True)


TYPE = VolumeType(prepare, owned=False, read_only=True)
