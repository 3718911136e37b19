# SPDX-License-Identifier: Apache-2.0
"""Atomic updates of a folder of small files (upstream's AtomicWriter).

Files live in a time-stamped folder; `..data` points to it; each top-level name is a link through
`..data`. Replacing `..data` swaps all files at once under readers' feet.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA, TEMPORARY = "..data", "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int = 0o644
    uid: int | None = None


Files = Mapping[str, File]
"""Relative paths ("a/b") to content."""


def write(folder: Path, files: Files, stamp: str, group: int | None = None) -> None:
    """Make `folder` hold exactly `files`. `stamp` names the new version, if there is one.

    `group`: fsGroup; files become group-readable by it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    data = folder / DATA
    if data.is_symlink() and _same(data, files):
        return
    old = data.readlink().name if data.is_symlink() else ""
    for left in _versions(folder) - {old}:  # of tries that failed
        shutil.rmtree(folder / left, ignore_errors=True)
    fresh = folder / f"..{stamp}.{int(old == f'..{stamp}.0')}"
    _fill(fresh, files, group)
    temporary = folder / TEMPORARY
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(fresh.name)
    temporary.replace(data)
    _link_names(folder, files)
    if old:
        shutil.rmtree(folder / old, ignore_errors=True)


def _versions(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.name.startswith("..")}
    return names - {DATA, TEMPORARY}


def _same(data: Path, files: Files) -> bool:
    found = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    if found != set(files):
        return False
    return all((data / name).read_bytes() == file.data for name, file in files.items())


def _fill(fresh: Path, files: Files, group: int | None) -> None:
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755 if group is None else 0o2755)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        mode = file.mode
        if group is not None:
            mode |= 0o440
            os.chown(path, -1, group)
        path.chmod(mode)
        if file.uid is not None:
            os.chown(path, file.uid, -1)
    if group is not None:
        for path in [fresh, *(item for item in fresh.rglob("*") if item.is_dir())]:
            os.chown(path, -1, group)


def _link_names(folder: Path, files: Files) -> None:
    wanted = {name.partition("/")[0] for name in files}
    for path in folder.iterdir():
        if path.is_symlink() and path.name != DATA and path.name not in wanted:
            path.unlink()
    for name in sorted(wanted):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
