# SPDX-License-Identifier: Apache-2.0
"""Paths in folders that somebody else may change meanwhile (a container's volume), by descriptor.

What is checked and what is used is one open file, so that swapping a link between the two gains
nothing.
"""

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from pybernetes.linux.libc import call

_OPENAT2 = 437  # on every architecture
_NO_MAGIC_LINKS, _BENEATH = 0x02, 0x08


def path_of(descriptor: int) -> Path:
    """A path that means the open file, whatever its name leads to by now."""
    return Path(f"/proc/self/fd/{descriptor}")


def open_inside(root: Path, path: str) -> int:
    """An O_PATH descriptor of `root/path`; links are followed, but OSError where one leads out."""
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, _NO_MAGIC_LINKS | _BENEATH)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        return call("syscall", _OPENAT2, folder, os.fsencode(path), how, len(how), about=path)
    finally:
        os.close(folder)


def read_inside(root: Path, path: str, limit: int) -> bytes:
    """At most `limit` bytes of a file inside; OSError where it is none."""
    found = open_inside(root, path)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        with path_of(found).open("rb") as file:
            return file.read(limit)
    finally:
        os.close(found)


def make_inside(root: Path, path: str, mode: int) -> int:
    """`open_inside`, making folders of `mode` where there is nothing."""
    found, parts = open_inside(root, "."), Path(path).parts
    for depth, part in enumerate(parts, 1):
        try:
            following = _step(found, (root, str(Path(*parts[:depth]))), part, mode)
        finally:
            os.close(found)
        found = following
    return found


def _step(folder: int, where: tuple[Path, str], name: str, mode: int) -> int:
    """Open `where`, or make it as `name` in the open folder."""
    try:
        return open_inside(*where)
    except FileNotFoundError:
        os.mkdir(name, mode, dir_fd=folder)
    made = open_inside(*where)
    path_of(made).chmod(mode)  # past the umask
    return made


_Level = tuple[int, Iterator[str]]


def give(root: Path, group: int) -> None:
    """Give a tree to a group: to read and write, setgid on folders. Links and what they mean stay.

    Raises OSError.
    """
    levels: list[_Level] = []  # the folders we are in, outermost first
    _enter(levels, os.open(root, os.O_PATH), group)
    try:
        while levels:
            folder, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(levels.pop()[0])
                continue
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                item = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
                _enter(levels, item, group)
    finally:
        for folder, _ in levels:
            os.close(folder)


def _enter(levels: list[_Level], item: int, group: int) -> None:
    """Give one file away; a folder becomes the innermost level. Closes `item`."""
    try:
        mode, here = os.fstat(item).st_mode, path_of(item)
        if stat.S_ISLNK(mode):
            return
        os.chown(here, -1, group)
        here.chmod(stat.S_IMODE(mode) | (0o2770 if stat.S_ISDIR(mode) else 0o660))
        if stat.S_ISDIR(mode):
            folder = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
            levels.append((folder, iter(os.listdir(folder))))
    finally:
        os.close(item)
