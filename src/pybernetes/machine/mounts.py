# SPDX-License-Identifier: Apache-2.0
"""What is mounted below a folder, and taking it away."""

import ctypes
import os
import re
from pathlib import Path

_MNT_DETACH = 2
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


def detach(target: str) -> None:
    """Unmount lazily. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(target), _MNT_DETACH) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def detach_below(folder: Path) -> int:
    """Unmount all at or below `folder`; how many there were."""
    targets = below(folder)
    for target in targets:
        detach(target)
    return len(targets)
