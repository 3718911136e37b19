# SPDX-License-Identifier: Apache-2.0
"""What this machine is: cores, memory, disk, names of its system. Blocking; read once."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Machine:
    """Amounts in whole units (bytes)."""

    cpus: int = 4
    memory: int = 8 << 30
    disk: int = 100 << 30
    hugepages: Mapping[str, int] = field(default_factory=lambda: {"1Gi": 0, "2Mi": 0})  # by size
    pids: int = 1 << 15
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel: str = ""
    os_image: str = ""
    architecture: str = "amd64"


def measure(data: Path) -> Machine:
    """The machine under our feet; `data` is on the disk that counts."""
    disk = statvfs(data)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=meminfo().get("MemTotal", 0),
        disk=disk.f_frsize * disk.f_blocks,
        hugepages=_hugepages(),
        pids=min(
            int(_read(f"/proc/sys/kernel/{name}") or 0) for name in ("pid_max", "threads-max")
        ),
        machine_id=_read("/etc/machine-id"),
        system_uuid=_read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
    )


def statvfs(path: Path) -> os.statvfs_result:
    """Of the disk that a path is, or will be, on."""
    return os.statvfs(next(one for one in (path, *path.parents) if one.exists()))


def _hugepages() -> dict[str, int]:
    """Bytes set aside, by page size ("2Mi")."""
    found = {}
    for folder in sorted(Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")):
        size = int(folder.name[10:-2])
        pages = int(_read(f"{folder}/nr_hugepages") or 0)
        found[f"{size >> 20}Gi" if size >> 20 else f"{size >> 10}Mi"] = pages * size << 10
    return found


def hollow(name: str) -> Machine:
    """A machine that does not exist."""
    return Machine(
        machine_id=name, system_uuid=name, boot_id=name, kernel="hollow", os_image="Hollow node"
    )


def meminfo() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found: dict[str, int] = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return platform.system()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
