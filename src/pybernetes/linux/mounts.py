# SPDX-License-Identifier: Apache-2.0
"""Mounts: tmpfs and bind, what is mounted below a folder, and taking it away."""

import ctypes
import os
import re
from pathlib import Path

_MNT_DETACH = 2
_MS_BIND = 4096
_ESCAPED = re.compile(r"\\([0-7]{3})")


def below(folder: Path) -> list[str]:
    """Mount points at or below `folder`, innermost (and newest) first."""
    prefix = f"{folder}/"
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split()[4])
        if target == str(folder) or target.startswith(prefix):
            found.append(target)
    return sorted(found, key=lambda path: path.count("/"), reverse=True)


def _check(result: int, target: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def tmpfs(target: Path, size: int = 0) -> None:
    """Mount a tmpfs of at most `size` bytes (0: the kernel's default). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size}".encode() if size else None
    _check(libc.mount(b"tmpfs", os.fsencode(target), b"tmpfs", 0, options), str(target))


def bind(source: Path, target: Path) -> None:
    """Make `source` appear at `target` too. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None), str(target))


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
