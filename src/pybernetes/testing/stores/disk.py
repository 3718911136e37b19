# SPDX-License-Identifier: Apache-2.0
"""A disk that fails on demand and shows what a power cut would leave on it (see faults.c)."""

import asyncio
import atexit
import contextlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest

from pybernetes.base.random import Random

SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT, INJECTED = range(5)
FAULTS = {  # which counter, and what a writer is told while it lasts
    "sync": (SYNC_EIO, "! Unavailable"),
    "write": (WRITE_EIO, "! Unavailable"),
    "full": (WRITE_ENOSPC, "! NoSpace"),
    "short": (WRITE_SHORT, ""),
}
ALWAYS = -1
SECTOR = 512


class Faults:
    """The counters of faults still to come, which all processes on the disk share."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._counters = mmap.mmap(file.fileno(), 4096)

    def inject(self, fault: int, count: int) -> None:
        """The next `count` calls fail (ALWAYS: until it is set to 0)."""
        struct.pack_into("i", self._counters, fault * 4, count)

    def pending(self, fault: int) -> int:
        """How many are still to come."""
        (count,) = struct.unpack_from("i", self._counters, fault * 4)
        return int(count)

    @property
    def injected(self) -> int:
        return self.pending(INJECTED)


class Child:
    """A process that may die: what it said so far is `said`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    @classmethod
    async def start(cls, *command: str, **more: str) -> "Child":
        """In our `surroundings` and `more`."""
        pipe, env = asyncio.subprocess.PIPE, surroundings() | more
        return cls(await asyncio.create_subprocess_exec(*command, stdout=pipe, env=env))

    async def wait_for(self, text: str, seconds: float = 40) -> str:
        """What it says from now on, until `text` is in it."""
        assert self.process.stdout is not None
        new = ""
        async with self._killed_after(seconds):
            while text not in new:
                some = (await self.process.stdout.read(1 << 16)).decode()
                assert some, f"it ended: {(self.said + new)[-2000:]}"
                new += some
        self.said += new
        return new

    async def ended(self, seconds: float) -> str:
        """All that it said, once it has ended by itself, and well."""
        async with self._killed_after(seconds):
            said = await self._rest()
        assert self.process.returncode == 0, said[-4000:]
        return said

    async def kill(self) -> str:
        """All that it said."""
        if self.process.returncode is None:
            self.process.kill()
        return await self._rest()

    @contextlib.asynccontextmanager
    async def _killed_after(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except BaseException:
            await self.kill()
            raise

    async def _rest(self) -> str:
        assert self.process.stdout is not None
        self.said += (await self.process.stdout.read()).decode()
        await self.process.wait()
        return self.said


def surroundings() -> dict[str, str]:
    """The environment of a process that can import what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@cache
def _library() -> Path:
    """The fault layer, compiled once. Without a C compiler the test is skipped."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc), to inject faults of the disk")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made, source = Path(folder) / "faults.so", Path(__file__).with_name("faults.c")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"]
    subprocess.run([*command, "-lpthread"], check=True)
    return made


class FaultyDisk:
    """A folder (`root`) below `folder`, a new one after each power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = _library()
        self._number = 0
        (folder / "control").write_bytes(bytes(4096))
        self.faults = Faults(folder / "control")
        self._new()

    @property
    def root(self) -> Path:
        return self._folder / f"d{self._number}"

    @property
    def _disk(self) -> Path:
        return self.root.with_name(self.root.name + ".disk")

    def _new(self) -> None:
        self._number += 1
        self.root.mkdir()
        self._disk.mkdir()

    async def start(self, *words: str) -> Child:
        """`python words...` on this disk."""
        return await Child.start(
            sys.executable,
            *words,
            LD_PRELOAD=str(self._library),
            FAULT_ROOT=str(self.root),
            FAULT_CONTROL=str(self._folder / "control"),
        )

    def cut_power(self, draw: Random, kept: str = "") -> None:
        """Go on with what was synced and some of what was not (`kept`: which part; else by chance)."""
        before = self._disk
        kept = kept or draw.choice(["nothing", "everything", "beginning", "sectors"])
        shutil.rmtree(self.root)
        self._new()
        for file in before.iterdir():
            if file.suffix == ".pending":
                continue
            content = bytearray(file.read_bytes())
            records = list(_pending(file.with_name(file.name + ".pending")))
            if kept == "beginning":
                records = records[: draw.below(len(records) + 1)]
            for offset, data in records if kept != "nothing" else ():
                _apply(content, offset, data, draw if kept == "sectors" else None)
            path = self.root / file.name.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            (self._disk / file.name).write_bytes(content)
        shutil.rmtree(before)


def _pending(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """(offset, bytes, or None to cut the file there); a last record that is torn is left out."""
    text = path.read_bytes() if path.exists() else b""
    at = 0
    while at + 16 <= len(text):
        offset, length = struct.unpack_from("qq", text, at)
        at += 16
        data = text[at : at + max(length, 0)]
        at += len(data)
        if len(data) == max(length, 0):
            yield offset, None if length < 0 else data


def _apply(content: bytearray, offset: int, data: bytes | None, draw: Random | None) -> None:
    """Write what was pending; with `draw`, each sector by chance."""
    if data is None:
        del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
        return
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    for at in range(0, len(data), SECTOR):
        if draw is None or draw.below(2):
            part = data[at : at + SECTOR]
            content[offset + at : offset + at + len(part)] = part
