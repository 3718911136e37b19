# SPDX-License-Identifier: Apache-2.0
"""hostPath volumes: a path of the node, checked or made as its `type` says; local ones: it is there."""

import stat
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.kubelet.record import MountError
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType

_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


async def prepare(context: VolumeContext, source: Object) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    await context.tools.env.offload.run(_check, path, kind)
    return path


def _check(path: Path, kind: str) -> None:
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(parents=True, mode=0o755)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    kind = kind.removesuffix("OrCreate")
    if not kind:
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)  # as container runtimes do
        return
    if kind not in _CHECKS:
        raise MountError(f"unsupported hostPath type: {kind}")
    matches, name = _CHECKS[kind]
    if not path.exists() or not matches(path.stat().st_mode):
        raise MountError(f"hostPath type check failed: {path} is not {name}")


async def prepare_local(context: VolumeContext, source: Object) -> Path:
    path = Path(source["path"])
    if not await context.tools.env.offload.run(path.exists):
        raise MountError(f'path "{path}" does not exist')
    return path


TYPE = VolumeType(prepare, owned=False)
LOCAL = VolumeType(prepare_local)
