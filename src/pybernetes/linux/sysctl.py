# SPDX-License-Identifier: Apache-2.0
"""Kernel settings under /proc/sys."""

from pathlib import Path


def write(name: str, value: str) -> bool:
    """Set `net.ipv4.ip_forward` and the like; False if this kernel has no such setting.

    A setting that already has the value is left alone (it may be read-only here).
    """
    path = Path("/proc/sys", *name.split("."))
    if not path.exists():
        return False
    if path.read_text().strip() != value:
        path.write_text(value)
    return True
