# SPDX-License-Identifier: Apache-2.0
"""A disk that fails on demand and shows what a power cut would leave on it (see faults.c)."""

import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faults.c")
TOP = Path(__file__).parents[2]
SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT, INJECTED = range(5)
ALWAYS = -1
SECTOR = 512


def library(folder: Path) -> Path:
    """The fault layer, compiled. Without a C compiler the test is skipped, but never in CI."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        message = "no C compiler (cc): faults of the disk cannot be injected"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    made = folder / "faults.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run([*command, "-lpthread"], check=True)
    return made


class FaultyDisk:
    """Folders below `folder`, a new one after each power cut. The store's file is `path`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = library(folder)
        self._number = 0
        control = folder / "control"
        control.write_bytes(bytes(4096))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), 4096)
        self._new()

    @property
    def root(self) -> Path:
        return self._folder / f"d{self._number}"

    @property
    def path(self) -> Path:
        return self.root / "store.db"

    @property
    def _disk(self) -> Path:
        return self.root.with_name(self.root.name + ".disk")

    def _new(self) -> None:
        self._number += 1
        self.root.mkdir()
        self._disk.mkdir()

    def inject(self, fault: int, count: int) -> None:
        """The next `count` calls fail (ALWAYS: until it is set to 0)."""
        struct.pack_into("i", self._control, fault * 4, count)

    def pending(self, fault: int) -> int:
        """How many are still to come."""
        (count,) = struct.unpack_from("i", self._control, fault * 4)
        return int(count)

    @property
    def injected(self) -> int:
        return self.pending(INJECTED)

    def start(self, module: str, *words: str) -> "subprocess.Popen[bytes]":
        """`python -m module PATH words...` on this disk."""
        environment = {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "FAULT_ROOT": str(self.root),
            "FAULT_CONTROL": str(self._folder / "control"),
        }
        command = [sys.executable, "-m", module, str(self.path), *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=TOP)

    def cut_power(self, draw: random.Random, kept: str = "") -> None:
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
                records = records[: draw.randrange(len(records) + 1)]
            for offset, data in records if kept != "nothing" else ():
                _apply(content, offset, data, draw if kept == "sectors" else None)
            for place in (self.root, self._disk):
                (place / file.name).write_bytes(content)
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


def _apply(content: bytearray, offset: int, data: bytes | None, draw: random.Random | None) -> None:
    """Write what was pending; with `draw`, each sector by chance."""
    if data is None:
        del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
        return
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    for at in range(0, len(data), SECTOR):
        if draw is None or draw.random() < 0.5:
            part = data[at : at + SECTOR]
            content[offset + at : offset + at + len(part)] = part
