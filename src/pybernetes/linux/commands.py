# SPDX-License-Identifier: Apache-2.0
"""Runs the system's own tools (ip, nft, conntrack): argument lists, never shell strings."""

import asyncio
from collections.abc import Sequence


class CommandError(Exception):
    """A tool failed or is missing. The message is one line: the command and what it said."""


async def run(args: Sequence[str], data: str = "", seconds: float = 30.0) -> str:
    """The standard output of `args`, given `data` on standard input."""
    try:
        process = await asyncio.create_subprocess_exec(
            *args,
            stdin=asyncio.subprocess.PIPE if data else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{args[0]}: command not found") from error
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate(data.encode() or None)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode:
        said = " ".join(errors.decode(errors="replace").split())[:500]
        raise CommandError(f"{' '.join(args)[:200]}: {said or f'exit {process.returncode}'}")
    return output.decode(errors="replace")


async def succeeds(args: Sequence[str]) -> bool:
    """Run a command whose failure means "it was not there"."""
    try:
        await run(args)
    except CommandError:
        return False
    return True
