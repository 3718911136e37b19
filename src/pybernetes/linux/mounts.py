# SPDX-License-Identifier: Apache-2.0
"""Mounts: tmpfs and bind, what is mounted below a folder, and taking it away."""

import contextlib
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from pybernetes.linux.libc import call

_MNT_DETACH = 2
_REC = 16384
_FLAGS = {"ro": 1, "remount": 32, "bind": 4096, "rbind": 4096 | _REC}
_FLAGS |= {"rprivate": 1 << 18 | _REC, "rshared": 1 << 20 | _REC}
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 1
_ESCAPED = re.compile(r"\\([0-7]{3})")


def points() -> list[str]:
    """Every mount point of our namespace, innermost (and newest) first."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    found = [_ESCAPED.sub(lambda m: chr(int(m[1], 8)), line.split()[4]) for line in lines]
    return sorted(found, key=lambda path: path.count("/"), reverse=True)


def below(folder: Path) -> list[str]:
    """Mount points at or below `folder`, innermost (and newest) first.

    By their real paths, as the kernel tells them: links in `folder`'s own are followed.
    """
    real = os.path.realpath(folder)
    return [one for one in points() if one == real or one.startswith(f"{real}/")]


def is_point(folder: Path) -> bool:
    """Whether something is mounted right here (Path.is_mount does not know bind mounts)."""
    return os.path.realpath(folder) in points()


def mount(source: str, target: Path, kind: str | None, options: Sequence[str] = ()) -> None:
    """As mount(8) -t does; of the flags only those of _FLAGS. Raises OSError."""
    flags = sum(_FLAGS[word] for word in options if word in _FLAGS)
    data = ",".join(word for word in options if word not in _FLAGS).encode() or None
    type_ = kind.encode() if kind else None
    call("mount", source.encode(), os.fsencode(target), type_, flags, data, about=target)


def tmpfs(target: Path, size: int = 0, *, secret: bool = False) -> None:
    """Mount a tmpfs of at most `size` bytes (0: the kernel's default). Raises OSError.

    `secret`: never swapped out, where the kernel can promise that (6.3 and up).
    """
    options = [f"size={size}"] if size else []
    if secret:
        with contextlib.suppress(OSError):
            return mount("tmpfs", target, "tmpfs", [*options, "noswap"])
    return mount("tmpfs", target, "tmpfs", options)


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Make `source` appear at `target` too. Raises OSError."""
    mount(str(source), target, None, ["bind"])
    if read_only:
        mount("none", target, None, ["bind", "remount", "ro"])


def overlay(lower: Path, upper: Path, work: Path) -> None:
    """Changes below `lower` go to `upper` from now on (in this namespace). Raises OSError."""
    options = [f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}"]
    mount("overlay", lower, "overlay", options)


def make_private(target: Path) -> None:
    """What is mounted at or below `target` is no other namespace's business. Raises OSError."""
    mount("none", target, None, ["rprivate"])


def make_shared(target: Path) -> None:
    """Mounts at or below `target` appear in namespaces made from ours from now on. Raises OSError."""
    mount("none", target, None, ["rshared"])


def share(target: Path) -> None:
    """Let mounts below `target` be seen wherever it is mounted from now on. Raises OSError."""
    if not is_point(target):
        bind(target, target)
    make_shared(target)


def protect(target: Path) -> None:
    """Make a mount and all below it read-only (Linux 5.12 and up). Raises OSError."""
    attributes = struct.pack("QQQQ", _ATTR_RDONLY, 0, 0, 0)
    arguments = (_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, len(attributes))
    call("syscall", _MOUNT_SETATTR, *arguments, about=target)


def detach(target: str) -> None:
    """Unmount lazily. Raises OSError."""
    call("umount2", os.fsencode(target), _MNT_DETACH, about=target)


def detach_below(folder: Path) -> None:
    """Unmount all at or below `folder`."""
    tried = 0
    while targets := below(folder):  # looked at anew: what is shared goes together
        try:
            detach(targets[tried])
            tried = 0
        except OSError:  # another mount covers it: that one first
            tried += 1
            if tried == len(targets):
                raise
