# SPDX-License-Identifier: Apache-2.0
"""What this machine lacks to run real containers, one clear line per item."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pybernetes.machine.config import CNI_BIN_DIRS

_PATH = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")
)
_PLUGINS = ("bridge", "host-local", "loopback", "portmap", "ptp")
_PROGRAMS = (  # program, what it is for, Debian package
    ("containerd", "the container runtime", "containerd"),
    ("ctr", "imports images", "containerd"),
    ("runc", "starts containers", "runc"),
    ("busybox", "the built-in images are made of it", "busybox-static"),
    ("nft", "programs services", "nftables"),
    ("ip", "makes links and routes", "iproute2"),
    ("nsenter", "enters namespaces", "util-linux"),
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something this machine lacks; `package` is the Debian package that brings it, or ""."""

    what: str
    why: str
    package: str = ""

    def __str__(self) -> str:
        hint = f"; install it with: apt-get install {self.package}" if self.package else ""
        return f"{self.what} is missing ({self.why}){hint}"


def program(name: str) -> str | None:
    """Where a program is, the sbin folders included."""
    return shutil.which(name, path=_PATH)


def detect() -> list[Missing]:
    """Everything missing for a real node; empty: this machine can run containers."""
    if sys.platform != "linux":
        return [Missing("Linux", f"containers need it, this is {sys.platform}")]
    missing: list[Missing] = []
    if os.geteuid() != 0:
        missing.append(Missing("root", "namespaces, mounts and cgroups need it; run with sudo"))
    missing += [
        Missing(name, why, package) for name, why, package in _PROGRAMS if program(name) is None
    ]
    if not any(all((folder / name).exists() for name in _PLUGINS) for folder in CNI_BIN_DIRS):
        missing.append(Missing("CNI plugins", "pod networking", "containernetworking-plugins"))
    if not Path("/sys/fs/cgroup").is_dir() or not Path("/proc/self/cgroup").exists():
        missing.append(Missing("cgroups", "no /sys/fs/cgroup is mounted"))
    return missing
