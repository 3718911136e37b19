# SPDX-License-Identifier: Apache-2.0
"""A marked block of names in a hosts file."""

import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

HOSTS = Path("/etc/hosts")


def with_block(text: str, mark: str, names: Mapping[str, str]) -> str:
    """`text` with exactly `names` (name -> address) in the block `mark`; without names, none. Pure."""
    begin, end = f"# {mark} begin", f"# {mark} end"
    before, found, rest = text.partition(f"{begin}\n")
    after = rest.partition(f"{end}\n")[2] if found else ""
    lines = [f"{address}\t{name}" for name, address in names.items()]
    if before and not before.endswith("\n"):
        before += "\n"
    return before + ("\n".join([begin, *lines, end, ""]) if lines else "") + after


def write(mark: str, names: Mapping[str, str], path: Path = HOSTS) -> None:
    """Bring the block in the file up to date: at once, or in place where the file is a mount."""
    path = path.resolve()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # other labs write it too
        old = path.read_text() if path.exists() else ""
        new = with_block(old, mark, names)
        if new != old:
            _replace(path, new)
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.pybernetes")
    partial.write_text(text)
    try:
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    except OSError:
        path.write_text(text)
        partial.unlink(missing_ok=True)
