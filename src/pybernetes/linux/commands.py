# SPDX-License-Identifier: Apache-2.0
"""Runs the system's own tools (ip, nft, conntrack): argument lists, never shell strings.

The child is started by vfork and works on memory files: the loop's own subprocesses (uvloop copies
the whole process's page tables, 15 ms at 100 MB) cost several times what nft itself needs.
"""

import asyncio
import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from pybernetes.base.errors import Told
from pybernetes.linux.processes import wait_readable


class CommandError(Told):
    """A tool failed or is missing. The message is one line: the command and what it said."""


async def run(args: Sequence[str], data: str = "", seconds: float = 30.0) -> str:
    """The standard output of `args`, given `data` on standard input."""
    with ExitStack() as files:
        given, output, errors = (files.enter_context(_memory()) for _ in range(3))
        given.write(data.encode())
        given.seek(0)
        process = _start(args, given, output, errors)
        try:
            async with asyncio.timeout(seconds):
                await wait_readable(os.pidfd_open(process.pid))
        except TimeoutError as error:
            raise CommandError(f"{' '.join(args)[:200]}: no end in {seconds:g} s") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            said = " ".join(_text(errors).split())[:500]
            raise CommandError(f"{' '.join(args)[:200]}: {said or f'exit {process.returncode}'}")
        return _text(output)


def _memory() -> BinaryIO:
    return os.fdopen(os.memfd_create("command"), "w+b", buffering=0)


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _start(args: Sequence[str], *files: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(args, stdin=files[0], stdout=files[1], stderr=files[2])
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "command not found" if missing else error.strerror
        raise CommandError(f"{args[0]}: {why}") from error


async def succeeds(args: Sequence[str]) -> bool:
    """Run a command whose failure means "it was not there"."""
    try:
        await run(args)
    except CommandError:
        return False
    return True
