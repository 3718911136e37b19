# SPDX-License-Identifier: Apache-2.0
"""Reads a container's log as clients want it: tail, since, timestamps, limit, follow."""

import asyncio
import datetime
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 64 << 10
POLL = 0.1
_TIME = re.compile(rb"([^.Z+]*T[^.Z+-]*)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
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
    """The chosen lines. Following ends once the container does not run and all is read.

    Else what is in the file now. After a rotation the old file is looked at once more: the runtime
    may have written to it until it was told.
    """
    left = wanted.limit
    render = _Renderer(wanted)
    file: BinaryIO = path.open("rb")
    size = os.fstat(file.fileno()).st_size
    rotated = False
    try:
        if wanted.tail is not None:
            file.seek(_tail_offset(file, wanted.tail))
        rest = b""
        while True:
            alive = running()  # asked before reading: what comes after its end is not missed
            most = BLOCK if wanted.follow else min(BLOCK, size - file.tell())
            data = rest + file.read(most)
            cut = data.rfind(b"\n") + 1
            rest = data[cut:]
            text = render(data[:cut])
            if left is not None:
                text = text[:left]
                left -= len(text)
            if text:
                yield text
            if left == 0:
                return
            if cut:
                await asyncio.sleep(0)
            elif not wanted.follow:
                return
            elif rotated:
                file.close()
                file, rotated = path.open("rb"), False
            else:
                rotated = _is_another(path, file)
                if not (rotated or alive):
                    return
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
    render = _Renderer(wanted)
    while True:
        alive, found = running(), lines(last)
        last = found[-1][0] if found else last
        rows = [f"{_time(at)} stdout F {text}\n" for at, text in found]
        text = render("".join(rows if tail is None else rows[max(0, len(rows) - tail) :]).encode())
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


def _is_another(path: Path, file: BinaryIO) -> bool:
    """Whether a new file is there."""
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


class _Renderer:
    """Blocks of whole lines in, what the client sees out."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._fresh = True  # the last entry ended its line

    def __call__(self, block: bytes) -> bytes:
        parts = []
        for line in block.splitlines(keepends=True):
            entry = parse(line)
            if entry is None:
                continue
            if self._chooses(entry):
                if self._wanted.timestamps and self._fresh:
                    parts.append(_stamp(entry.time))
                parts.append(entry.content)
            self._fresh = not entry.content or entry.content.endswith(b"\n")
        return b"".join(parts)

    def _chooses(self, entry: Entry) -> bool:
        if self._wanted.stream and entry.stream != self._wanted.stream.encode():
            return False
        return not self._wanted.since or _utc(entry.time) >= self._wanted.since


def _stamp(time: bytes) -> bytes:
    """With nine digits, as upstream shows it."""
    found = _TIME.fullmatch(time)
    return (
        b"%b.%b%b " % (found[1], (found[2] or b"").ljust(9, b"0"), found[3])
        if found
        else time + b" "
    )


def _utc(time: bytes) -> str:
    """Runtimes write the time in their own zone."""
    text = time.decode(errors="replace")
    if text.endswith("Z"):
        return text
    try:
        moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


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
