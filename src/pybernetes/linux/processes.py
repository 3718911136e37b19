# SPDX-License-Identifier: Apache-2.0
"""Waiting for processes, our children or not."""

import asyncio
import contextlib
import os


async def wait_end(pid: int) -> None:
    """Until the process has ended; at once if there is none (0). A child of ours is reaped."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    await wait_readable(descriptor)
    reap(pid)


async def wait_readable(descriptor: int) -> None:
    """Until there is something to read (of a pidfd: its process has ended). Closes it."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def reap(pid: int) -> None:
    """Take note of a child's end, if it is a child and has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
