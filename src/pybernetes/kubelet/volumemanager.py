# SPDX-License-Identifier: Apache-2.0
"""The volumes of this node's pods: sets up, keeps current, takes away.

Claims are resolved to the PersistentVolume's own source first; then the registry's type does the
work. Hollow nodes have none.
"""

import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.kubelet import naming
from pybernetes.kubelet.record import MountError
from pybernetes.kubelet.tools import Tools
from pybernetes.kubelet.volumeapi import VolumeContext
from pybernetes.kubelet.volumes.image import view_key
from pybernetes.kubelet.volumes.registry import TYPES
from pybernetes.linux import mounts, paths

_CLAIMS = GVR("", "v1", "persistentvolumeclaims")
_VOLUMES = GVR("", "v1", "persistentvolumes")
_NO_SOURCE = ("capacity", "claimRef", "nodeAffinity")


def find_type(source: Object) -> str:
    """The type's name in a volume or PersistentVolume source. Raises MountError."""
    kinds = [key for key in source if key != "name"]
    known = [key for key in kinds if key in TYPES]
    if known:
        return known[0]
    raise MountError(f"unsupported volume type: {', '.join(kinds) or 'none given'}")


async def mount(tools: Tools, pod: Object, ips: Sequence[str]) -> Mapping[str, Path]:
    """Set up every volume of the pod, which has `ips`; safe to repeat. Raises MountError.

    Their paths by name.
    """
    volumes = () if tools.runtime.hollow else pod["spec"].get("volumes", ())
    return {one["name"]: await _mount_one(tools, pod, one, ips) for one in volumes}


async def refresh(tools: Tools, pod: Object, ips: Sequence[str]) -> None:
    """Bring live volumes up to date. Raises MountError."""
    for volume in () if tools.runtime.hollow else pod["spec"].get("volumes", ()):
        if any(TYPES[key].live for key in volume if key in TYPES):
            await _mount_one(tools, pod, volume, ips)


async def _mount_one(tools: Tools, pod: Object, volume: Object, ips: Sequence[str]) -> Path:
    name = volume["name"]
    try:
        source = await _resolve(tools, pod, volume)
        kind = find_type(source)
        folder = _folder(tools, naming.uid(pod), kind) / name
        context = VolumeContext(tools, pod, name, folder, ips)
        path = await TYPES[kind].prepare(context, source[kind])
        if context.fs_group is not None and TYPES[kind].owned and not read_only(volume):
            policy = pod["spec"]["securityContext"].get("fsGroupChangePolicy")
            always = policy != "OnRootMismatch"
            await tools.env.offload.run(_own, path, context.fs_group, always)
    except (MountError, OSError) as error:
        raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    return path


def _folder(tools: Tools, uid: str, kind: str) -> Path:
    return naming.pod_dir(tools.config, uid) / "volumes" / f"kubernetes.io~{kind.lower()}"


async def _resolve(tools: Tools, pod: Object, volume: Object) -> Object:
    """The volume's own source, or that of the PersistentVolume behind its claim."""
    lookup, (namespace, pod_name) = tools.objects.cached, naming.key(pod)
    if "persistentVolumeClaim" in volume:
        claim_name = volume["persistentVolumeClaim"]["claimName"]
    elif "ephemeral" in volume:
        claim_name = f"{pod_name}-{volume['name']}"
    else:
        return volume
    try:
        claim = await lookup(_CLAIMS, namespace, claim_name)
        owners = claim["metadata"].get("ownerReferences") or ()
        if "ephemeral" in volume and naming.uid(pod) not in {one["uid"] for one in owners}:
            what = f"PVC {claim_name} was not created for pod {pod_name}"
            raise MountError(f"{what} (pod is not owner)")
        bound = (claim.get("status") or {}).get("phase") == "Bound"
        volume_name = claim["spec"].get("volumeName")
        if not bound or not volume_name:
            raise MountError(f'PVC "{claim_name}" is not bound')
        found = await lookup(_VOLUMES, "", volume_name)
    except (ApiError, ConnectionError) as error:
        if "ephemeral" in volume and isinstance(error, ApiError) and error.code == 404:
            text = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
            raise MountError(f'{text} "{claim_name}"') from error
        raise MountError(str(error)) from error
    spec: Object = found["spec"]
    return {
        key: value
        for key, value in spec.items()
        if isinstance(value, dict) and key not in _NO_SOURCE
    }


async def remove(tools: Tools, uid: str) -> None:
    """Take away everything of a pod. Raises OSError."""
    if tools.runtime.hollow:
        return
    images = _folder(tools, uid, "image")
    views = [path.name for path in images.iterdir()] if images.is_dir() else []
    await tools.env.offload.run(_remove, naming.pod_dir(tools.config, uid))
    for name in views:
        await tools.images.release(view_key(uid, name))


def read_only(volume: Object) -> bool:
    """Whether no container may write to a volume of a pod."""
    claim = volume.get("persistentVolumeClaim") or {}
    return bool(claim.get("readOnly")) or any(
        TYPES[key].read_only for key in volume if key in TYPES
    )


def _remove(folder: Path) -> None:
    if folder.exists():
        mounts.detach_below(folder)
        shutil.rmtree(folder)


def _own(root: Path, group: int, always: bool) -> None:
    """Give a volume to fsGroup; unless `always`, only if its top is not given yet."""
    found = root.stat()
    wanted = 0o2770 if stat.S_ISDIR(found.st_mode) else 0o660
    due = always or found.st_gid != group or found.st_mode & wanted != wanted
    if due and not stat.S_ISBLK(found.st_mode):
        paths.give(root, group)
