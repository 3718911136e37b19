# SPDX-License-Identifier: Apache-2.0
"""What is mounted into a container: volumes, /etc/hosts, the termination log; and block devices."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Config
from pybernetes.kubelet import naming
from pybernetes.kubelet.containers import configs, dns
from pybernetes.kubelet.containers.environment import ConfigError
from pybernetes.kubelet.record import Record
from pybernetes.kubelet.tools import Tools
from pybernetes.kubelet.volumemanager import read_only
from pybernetes.linux import mounts, paths

_PROPAGATION = {
    "HostToContainer": "PROPAGATION_HOST_TO_CONTAINER",
    "Bidirectional": "PROPAGATION_BIDIRECTIONAL",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The container that is to be: of which pod, and which try. `ips` are the pod's."""

    record: Record
    spec: Object
    attempt: int
    ips: Sequence[str]

    def volume(self, name: str) -> tuple[Object, Path]:
        """A volume of the pod, and where it is. Raises ConfigError."""
        path = (self.record.volumes or {}).get(name)
        if path is None:
            raise ConfigError(f'cannot find volume "{name}" to mount into container')
        volumes = self.record.pod["spec"].get("volumes", ())
        return next(item for item in volumes if item["name"] == name), path


def prepare(
    tools: Tools, place: Place, env: Mapping[str, str]
) -> tuple[list[Config], list[Config]]:
    """CRI's mounts and devices. Blocking. Raises ConfigError, OSError."""
    base = naming.pod_dir(tools.config, place.record.uid)
    rows = [
        _volume_mount(base, place, (number, mount), env)
        for number, mount in enumerate(place.spec.get("volumeMounts", ()))
    ]
    devices = [_device(place, item) for item in place.spec.get("volumeDevices", ())]
    return rows + _own_mounts(tools, place), devices


def _device(place: Place, item: Object) -> Config:
    volume, path = place.volume(item["name"])
    if not stat.S_ISBLK(path.stat().st_mode):
        raise ConfigError(f'volume "{item["name"]}" is not a block device')
    rights = "mr" if read_only(volume) else "mrw"
    return {"host_path": str(path), "container_path": item["devicePath"], "permissions": rights}


def _volume_mount(
    base: Path, place: Place, numbered: tuple[int, Object], env: Mapping[str, str]
) -> Config:
    number, mount = numbered
    volume, path = place.volume(mount["name"])
    sub, recursive = configs.sub_path(mount, env), mount.get("recursiveReadOnly") or "Disabled"
    bound = base / "volume-subpaths" / volume["name"] / place.spec["name"] / str(number)
    if sub:
        try:
            bind_sub_path(path, sub, bound)
        except OSError as error:
            name, container = mount["name"], place.spec["name"]
            what = f'subPath for volumeMount "{name}" of container "{container}"'
            raise ConfigError(f"failed to prepare {what}: {error.strerror}") from error
        path = bound
    if recursive != "Disabled":
        if not sub:
            _bind(paths.open_inside(path, "."), bound, "rbind")
        mounts.protect(bound)
        path = bound
    propagation = mount.get("mountPropagation")
    if propagation in _PROPAGATION and path.is_relative_to(base):
        mounts.share(path)  # the kubelet's own folders; of others the administrator decides
    return {
        "container_path": mount["mountPath"],
        "host_path": str(path),
        "readonly": bool(mount.get("readOnly")) or read_only(volume),
        "propagation": _PROPAGATION.get(propagation or "", "PROPAGATION_PRIVATE"),
    }


def bind_sub_path(volume: Path, sub: str, target: Path) -> None:
    """Make `sub` of a volume appear at `target`, made first if it is not there. Raises OSError.

    What is opened is what is mounted: links that a container changes meanwhile lead nowhere else.
    """
    try:
        found = paths.open_inside(volume, sub)
    except FileNotFoundError:
        found = paths.make_inside(volume, sub, stat.S_IMODE(volume.stat().st_mode))
    _bind(found, target)


def _bind(found: int, target: Path, how: str = "bind") -> None:
    """Mount an open file or folder at `target`, in place of what is there. Closes `found`."""
    try:
        mounts.detach_below(target)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            target.unlink() if target.is_file() else None
            target.mkdir(exist_ok=True)
        else:
            target.rmdir() if target.is_dir() else None
            target.touch()
        mounts.mount(str(paths.path_of(found)), target, None, [how])
    finally:
        os.close(found)


def _own_mounts(tools: Tools, place: Place) -> list[Config]:
    """The files the kubelet itself mounts."""
    record, spec = place.record, place.spec
    pod, taken = record.pod, {mount["mountPath"] for mount in spec.get("volumeMounts", ())}
    rows: list[Config] = []
    if "/etc/hosts" not in taken:
        path = naming.pod_dir(tools.config, record.uid) / "etc-hosts"
        if pod["spec"].get("hostNetwork"):
            own = Path("/etc/hosts")
            text = dns.hosts_file_of_host(pod, own.read_text() if own.exists() else "")
        else:
            text = dns.hosts_file(pod, place.ips, tools.config.cluster_domain)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        rows.append({"container_path": "/etc/hosts", "host_path": str(path)})
    message = spec.get("terminationMessagePath") or "/dev/termination-log"
    file = naming.message_file(tools.config, record.uid, spec["name"], place.attempt)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    file.chmod(configs.MESSAGE_MODE)
    rows.append({"container_path": message, "host_path": str(file)})
    return rows
