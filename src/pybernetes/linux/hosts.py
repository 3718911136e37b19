# SPDX-License-Identifier: Apache-2.0
"""A marked block of names in a hosts file."""

import fcntl
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
    """Bring the block in the file up to date (in place: the file may be a mount)."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other labs write it too
        file.seek(0)
        old = file.read()
        new = with_block(old, mark, names)
        if new != old:
            file.truncate(0)
            file.write(new)
