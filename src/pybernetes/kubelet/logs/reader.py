# SPDX-License-Identifier: Apache-2.0
"""Reads a container's log as clients want it: tail, since, timestamps, limit, follow."""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 64 << 10
POLL = 0.1
FOLLOW = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """`since`: RFC 3339 text in UTC with nanoseconds, "" from the start. `stream` "" is both."""

    follow: bool = False
    previous: bool = False  # of the container's instance before the last
    timestamps: bool = False
    since: str = ""
    tail: int | None = None
    limit: int | None = None
    stream: str = ""


class Entry(NamedTuple):
    """`content` ends with a newline unless the line is partial."""

    time: bytes
    stream: bytes
    content: bytes


def parse(line: bytes) -> Entry | None:
    """The entry of a line (with or without its newline); None: not in the format."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    content = parts[3] if len(parts) == 4 else b""
    full = parts[2].split(b":")[0] == b"F"
    return Entry(parts[0], parts[1], content + b"\n" if full else content)


async def read(path: Path, wanted: Wanted, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The chosen lines. Following ends once the container does not run and all is read."""
    left = wanted.limit
    file: BinaryIO = path.open("rb")
    try:
        if wanted.tail is not None:
            file.seek(_tail_offset(file, wanted.tail))
        rest = b""
        while True:
            alive = running()  # asked before reading: what comes after its end is not missed
            data = rest + file.read(BLOCK)
            cut = data.rfind(b"\n") + 1
            rest = data[cut:]
            text = _render(data[:cut], wanted)
            if left is not None:
                text = text[:left]
                left -= len(text)
            if text:
                yield text
            if left == 0:
                return
            if cut:
                await asyncio.sleep(0)
            elif not wanted.follow or not alive:
                return
            else:
                file = _reopened(path, file)
                await asyncio.sleep(POLL)
    finally:
        file.close()


async def follow(
    lines: Callable[[int], Sequence[tuple[int, str]]],
    wanted: Wanted,
    running: Callable[[], bool],
) -> AsyncIterator[bytes]:
    """The chosen ones of `lines(since)`: (time in ns, text), of stdout, that are written to no file."""
    left, last, tail = wanted.limit, 0, wanted.tail
    while True:
        alive, found = running(), lines(last)
        last = found[-1][0] if found else last
        rows = [f"{_time(at)} stdout F {text}\n" for at, text in found]
        text = _render(
            "".join(rows[max(0, len(rows) - tail) :] if tail is not None else rows).encode(), wanted
        )
        tail = None
        yield text[:left]
        left = None if left is None else max(0, left - len(text))
        if left == 0 or not wanted.follow or not alive:
            return
        await asyncio.sleep(FOLLOW)


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def _reopened(path: Path, file: BinaryIO) -> BinaryIO:
    """The file itself, or the new one after a rotation (once the old one is read)."""
    try:
        new = path.stat()
    except FileNotFoundError:
        return file
    if new.st_ino == os.fstat(file.fileno()).st_ino:
        return file
    file.close()
    return path.open("rb")


def _render(block: bytes, wanted: Wanted) -> bytes:
    parts = []
    for line in block.splitlines(keepends=True):
        entry = parse(line)
        if entry is not None and _chosen(entry, wanted):
            parts.append(entry.time + b" " + entry.content if wanted.timestamps else entry.content)
    return b"".join(parts)


def _chosen(entry: Entry, wanted: Wanted) -> bool:
    if wanted.stream and entry.stream != wanted.stream.encode():
        return False
    return not wanted.since or entry.time.decode(errors="replace") >= wanted.since


def _tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin."""
    size = position = file.seek(0, 2)
    if lines <= 0:
        return size
    found = 0
    while position > 0:
        step = min(BLOCK, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        end = len(block) - 1 if position + step == size else len(block)  # not the last newline
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            found += 1
            if found == lines:
                return position + end + 1
    return 0
