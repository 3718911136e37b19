# SPDX-License-Identifier: Apache-2.0
"""The volumes of this node's pods: sets up, keeps current, takes away.

Claims are resolved to the PersistentVolume's own source first; then the registry's type does the
work. Hollow nodes have none.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.env import Env
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.volumeapi import Lookup, MountError, Token, VolumeContext
from pybernetes.kubelet.volumes.registry import TYPES
from pybernetes.linux import mounts

_CLAIMS = GVR("", "v1", "persistentvolumeclaims")
_VOLUMES = GVR("", "v1", "persistentvolumes")
_NO_SOURCE = ("capacity", "claimRef", "nodeAffinity")


@dataclass(frozen=True, slots=True)
class Facts:
    """What volumes may show of pod and node."""

    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] | None = None


class Volumes:
    """Nobody's: those of hollow nodes. Paths are by volume name."""

    async def mount(self, pod: Object, facts: Facts) -> Mapping[str, Path]:
        """Set up every volume of the pod; safe to repeat. Raises MountError."""
        return {}

    async def refresh(self, pod: Object, facts: Facts) -> None:
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

    def __init__(self, env: Env, config: Config, lookup: Lookup, token: Token) -> None:
        self._env = env
        self._config = config
        self._lookup = lookup
        self._token = token

    async def mount(self, pod: Object, facts: Facts) -> Mapping[str, Path]:
        paths: dict[str, Path] = {}
        for volume in pod["spec"].get("volumes", ()):
            paths[volume["name"]] = await self._mount_one(pod, volume, facts)
        return paths

    async def refresh(self, pod: Object, facts: Facts) -> None:
        for volume in pod["spec"].get("volumes", ()):
            if any(TYPES[key].live for key in volume if key in TYPES):
                await self._mount_one(pod, volume, facts)

    async def _mount_one(self, pod: Object, volume: Object, facts: Facts) -> Path:
        name = volume["name"]
        try:
            source = await self._resolve(pod, volume)
            kind = find_type(source)
            folder = naming.pod_dir(self._config, naming.uid(pod)) / "volumes"
            folder = folder / f"kubernetes.io~{kind.lower()}" / name
            group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
            context = VolumeContext(
                env=self._env,
                pod=pod,
                folder=folder,
                lookup=self._lookup,
                token=self._token,
                node_ips=self._config.node_ips,
                pod_ips=facts.pod_ips,
                allocatable=facts.allocatable or {},
                fs_group=group,
            )
            path = await TYPES[kind].prepare(context, source[kind])
            if group is not None and TYPES[kind].owned:
                await self._env.offload.run(_own, path, group)
        except (MountError, OSError) as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        return path

    async def _resolve(self, pod: Object, volume: Object) -> Object:
        """The volume's own source, or that of the PersistentVolume behind its claim."""
        if "persistentVolumeClaim" in volume:
            claim_name = volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            claim_name = f"{pod['metadata']['name']}-{volume['name']}"
        else:
            return volume
        try:
            claim = await self._lookup(_CLAIMS, pod["metadata"]["namespace"], claim_name)
            bound = (claim.get("status") or {}).get("phase") == "Bound"
            volume_name = claim["spec"].get("volumeName")
            if not bound or not volume_name:
                raise MountError(f'PVC "{claim_name}" is not bound')
            found = await self._lookup(_VOLUMES, "", volume_name)
        except (ApiError, ConnectionError) as error:
            raise MountError(str(error)) from error
        spec: Object = found["spec"]
        return {
            key: value
            for key, value in spec.items()
            if isinstance(value, dict) and key not in _NO_SOURCE
        }

    async def remove(self, uid: str) -> None:
        await self._env.offload.run(_remove, naming.pod_dir(self._config, uid))


def _remove(folder: Path) -> None:
    if folder.exists():
        mounts.detach_below(folder)
        shutil.rmtree(folder)


def _own(root: Path, group: int) -> None:
    """Give a volume to fsGroup, as upstream does: group, rw for it, setgid on folders."""
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode & 0o7777
        os.chown(path, -1, group)
        path.chmod(mode | (0o2770 if path.is_dir() else 0o660))
