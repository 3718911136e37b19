# SPDX-License-Identifier: Apache-2.0
"""secret volumes: kept current while the pod runs, all files at once."""

from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.kubelet import atomicwriter, payloads
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType


async def prepare(context: VolumeContext, source: Object) -> Path:
    mode = payloads.MODE if source.get("defaultMode") is None else int(source["defaultMode"])
    files = await payloads.secret(context, source, mode)
    stamp = context.env.clock.now().strftime("%Y_%m_%d_%H_%M_%S")
    await context.env.offload.run(
        atomicwriter.write, context.folder, files, stamp, context.fs_group
    )
    return context.folder


TYPE = VolumeType(prepare, live=True, owned=False)
