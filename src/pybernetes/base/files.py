# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all, and pid files that die with their process."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file that only its owner may read: at the block's end it is on the disk and becomes `path`."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    try:
        yield Path(name)
        os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Make new names in a directory durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, content: bytes | str) -> None:
    """Replace a file, which only its owner may read, at once; missing folders are made (0700)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: object) -> None:
    """Replace a private file by a JSON value, for people to read."""
    write_private(path, json.dumps(value, indent=2) + "\n")


def hold(path: Path) -> IO[str]:
    """Our pid in a file that is locked until it is closed. BlockingIOError: another holds it."""
    held = path.open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        held.close()
        raise
    held.seek(0)
    held.truncate()
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held


def holder(path: Path) -> int | None:
    """The process that holds a pid file, 0 if it does not say yet who; None if none does.

    What a dead process left in it does not count. Raises OSError.
    """
    try:
        with path.open("r+") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(held.read().strip() or "0")
    except FileNotFoundError:
        pass
    return None
