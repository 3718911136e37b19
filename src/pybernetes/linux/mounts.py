# SPDX-License-Identifier: Apache-2.0
"""Mounts: tmpfs and bind, what is mounted below a folder, and taking it away."""

import ctypes
import os
import re
from pathlib import Path

_MNT_DETACH = 2
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SHARED = 4096, 16384, 1 << 18, 1 << 20
_ESCAPED = re.compile(r"\\([0-7]{3})")


def points() -> list[str]:
    """Every mount point of our namespace, innermost (and newest) first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [_ESCAPED.sub(lambda m: chr(int(m[1], 8)), line.split()[4]) for line in lines]
    return sorted(found, key=lambda path: path.count("/"), reverse=True)


def below(folder: Path) -> list[str]:
    """Mount points at or below `folder`, innermost (and newest) first."""
    prefix = f"{folder}/"
    return [one for one in points() if one == str(folder) or one.startswith(prefix)]


def _check(result: int, target: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def _mount(
    target: Path, flags: int, source: bytes = b"", kind: bytes = b"", *, options: str = ""
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.mount(source, os.fsencode(target), kind, flags, options.encode()), str(target))


def tmpfs(target: Path, size: int = 0) -> None:
    """Mount a tmpfs of at most `size` bytes (0: the kernel's default). Raises OSError."""
    _mount(target, 0, b"tmpfs", b"tmpfs", options=f"size={size}" if size else "")


def bind(source: Path, target: Path) -> None:
    """Make `source` appear at `target` too. Raises OSError."""
    _mount(target, _MS_BIND, os.fsencode(source))


def overlay(lower: Path, upper: Path, work: Path) -> None:
    """Changes below `lower` go to `upper` from now on (in this namespace). Raises OSError."""
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    _mount(lower, 0, b"overlay", b"overlay", options=options)


def make_private(target: Path) -> None:
    """What is mounted at or below `target` is no other namespace's business. Raises OSError."""
    _mount(target, _MS_REC | _MS_PRIVATE)


def make_shared(target: Path) -> None:
    """Mounts at or below `target` appear in namespaces made from ours from now on. Raises OSError."""
    _mount(target, _MS_REC | _MS_SHARED)


def detach(target: str) -> None:
    """Unmount lazily. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.umount2(os.fsencode(target), _MNT_DETACH), target)


def detach_below(folder: Path) -> int:
    """Unmount all at or below `folder`; how many there were."""
    targets = below(folder)
    for target in targets:
        detach(target)
    return len(targets)
