# SPDX-License-Identifier: Apache-2.0
"""Ending and removing a cgroup subtree, on cgroup v1, v2 and both at once."""

import contextlib
import os
import signal
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def trees(name: str, root: Path = ROOT) -> list[Path]:
    """Where the cgroup `name` ("pybernetes/node") exists: one folder a hierarchy."""
    name = name.strip("/")
    if not name:
        return []
    candidates = [root / name, *(folder / name for folder in sorted(root.iterdir()))]
    return [path for path in candidates if path.is_dir() and not path.is_symlink()]


def processes(tree: Path) -> list[int]:
    """Every process in the cgroup and below."""
    found: set[int] = set()
    for file in tree.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            found.update(int(line) for line in file.read_text().split())
    return sorted(found)


def kill(name: str) -> int:
    """SIGKILL to every process of the cgroup; how many there were."""
    victims = sorted({pid for tree in trees(name) for pid in processes(tree)})
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)


def remove(name: str) -> bool:
    """Remove the empty cgroup, children first; False if something still lives in it."""
    for tree in trees(name):
        folders = sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*folders, tree]:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return not trees(name)
