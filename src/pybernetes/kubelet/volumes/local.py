# SPDX-License-Identifier: Apache-2.0
"""local volumes (of PersistentVolumes): a folder of the node that is there already."""

from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.kubelet.record import MountError
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType


async def prepare(context: VolumeContext, source: Object) -> Path:
    path = Path(source["path"])
    if not await context.tools.env.offload.run(path.exists):
        raise MountError(f'path "{path}" does not exist')
    return path


TYPE = VolumeType(prepare)
