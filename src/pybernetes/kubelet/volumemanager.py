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
from pybernetes.base.env import Env
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.volumeapi import MountError, Sources, VolumeContext
from pybernetes.kubelet.volumes.image import view_key
from pybernetes.kubelet.volumes.registry import TYPES
from pybernetes.linux import mounts, paths

_CLAIMS = GVR("", "v1", "persistentvolumeclaims")
_VOLUMES = GVR("", "v1", "persistentvolumes")
_NO_SOURCE = ("capacity", "claimRef", "nodeAffinity")


class Volumes:
    """Nobody's: those of hollow nodes. Paths are by volume name."""

    async def mount(self, pod: Object, ips: Sequence[str]) -> Mapping[str, Path]:
        """Set up every volume of the pod, which has `ips`; safe to repeat. Raises MountError."""
        return {}

    async def refresh(self, pod: Object, ips: Sequence[str]) -> None:
        """Bring live volumes up to date. Raises MountError."""

    async def remove(self, uid: str) -> None:
        """Take away everything of a pod."""


def find_type(source: Object) -> str:
    """The type's name in a volume or PersistentVolume source. Raises MountError."""
    kinds = [key for key in source if key != "name"]
    known = [key for key in kinds if key in TYPES]
    if known:
        return known[0]
    raise MountError(f"unsupported volume type: {', '.join(kinds) or 'none given'}")


class DiskVolumes(Volumes):
    """Volumes below `Config.pods_dir`, at upstream's places."""

    def __init__(self, env: Env, config: Config, sources: Sources) -> None:
        self._env = env
        self._config = config
        self._sources = sources

    async def mount(self, pod: Object, ips: Sequence[str]) -> Mapping[str, Path]:
        volumes = pod["spec"].get("volumes", ())
        return {one["name"]: await self._mount_one(pod, one, ips) for one in volumes}

    async def refresh(self, pod: Object, ips: Sequence[str]) -> None:
        for volume in pod["spec"].get("volumes", ()):
            if any(TYPES[key].live for key in volume if key in TYPES):
                await self._mount_one(pod, volume, ips)

    async def _mount_one(self, pod: Object, volume: Object, ips: Sequence[str]) -> Path:
        name = volume["name"]
        try:
            source = await self._resolve(pod, volume)
            kind = find_type(source)
            context = VolumeContext(
                env=self._env,
                pod=pod,
                name=name,
                folder=self._folder(naming.uid(pod), kind) / name,
                sources=self._sources,
                node_ips=self._config.node_ips,
                pod_ips=ips,
            )
            path = await TYPES[kind].prepare(context, source[kind])
            if context.fs_group is not None and TYPES[kind].owned and not read_only(volume):
                policy = pod["spec"]["securityContext"].get("fsGroupChangePolicy")
                always = policy != "OnRootMismatch"
                await self._env.offload.run(_own, path, context.fs_group, always)
        except (MountError, OSError) as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        return path

    def _folder(self, uid: str, kind: str) -> Path:
        return naming.pod_dir(self._config, uid) / "volumes" / f"kubernetes.io~{kind.lower()}"

    async def _resolve(self, pod: Object, volume: Object) -> Object:
        """The volume's own source, or that of the PersistentVolume behind its claim."""
        if "persistentVolumeClaim" in volume:
            claim_name = volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            claim_name = f"{pod['metadata']['name']}-{volume['name']}"
        else:
            return volume
        try:
            claim = await self._sources.lookup(_CLAIMS, pod["metadata"]["namespace"], claim_name)
            owners = claim["metadata"].get("ownerReferences") or ()
            if "ephemeral" in volume and naming.uid(pod) not in {one["uid"] for one in owners}:
                what = f"PVC {claim_name} was not created for pod {pod['metadata']['name']}"
                raise MountError(f"{what} (pod is not owner)")
            bound = (claim.get("status") or {}).get("phase") == "Bound"
            volume_name = claim["spec"].get("volumeName")
            if not bound or not volume_name:
                raise MountError(f'PVC "{claim_name}" is not bound')
            found = await self._sources.lookup(_VOLUMES, "", volume_name)
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

    async def remove(self, uid: str) -> None:
        images = self._folder(uid, "image")
        views = [path.name for path in images.iterdir()] if images.is_dir() else []
        await self._env.offload.run(_remove, naming.pod_dir(self._config, uid))
        for name in views:
            await self._sources.images.release(view_key(uid, name))


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
