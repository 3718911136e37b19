# SPDX-License-Identifier: Apache-2.0
"""Namespaces pinned by bind mounts, so that they outlive every process and end with `umount`; sockets in others'."""

import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pybernetes.linux import mounts
from pybernetes.linux.commands import run, succeeds
from pybernetes.linux.libc import call

KINDS = ("net", "mnt", "uts")
_NEWNET = 0x40000000  # CLONE_NEWNET
_FLAGS = {"net": "--net", "mnt": "--mount", "uts": "--uts"}


def prepare(folder: Path) -> None:
    """Make `folder` a place for pins: a private mount, as the kernel asks for mount namespaces."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not mounts.below(folder):
        mounts.bind(folder, folder)
        mounts.make_private(folder)


async def pin(folder: Path) -> bool:
    """New network, mount and UTS namespaces, pinned in `folder`; False if they are there already.

    `folder` lies in a prepared one. The kernel refuses to mount a mount namespace that is not newer
    than ours, and its count (Linux 6.18) may run behind on another processor: any will do.
    """
    if len(mounts.below(folder)) == len(KINDS):
        return False
    flags = [f"{_FLAGS[kind]}={folder / kind}" for kind in KINDS]
    command = ["unshare", *flags, "--propagation", "private", "true"]
    for cpu in sorted(os.sched_getaffinity(0)):
        _make_room(folder)
        if await succeeds(["taskset", "--cpu-list", str(cpu), *command]):
            return True
    await run(command)
    return True


def _make_room(folder: Path) -> None:
    unpin(folder)
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        (folder / kind).touch()


def unpin(folder: Path) -> None:
    """Let go of the namespaces; they end with their last process."""
    mounts.detach_below(folder)
    for kind in KINDS:
        (folder / kind).unlink(missing_ok=True)


def enter(folder: Path) -> None:
    """Join the namespaces pinned in `folder`; only a process with one thread can. Raises OSError."""
    opened = [os.open(folder / kind, os.O_RDONLY) for kind in KINDS]
    for kind, descriptor in zip(KINDS, opened, strict=True):
        call("setns", descriptor, 0, about=folder / kind)  # Python has os.setns from 3.12 on
        os.close(descriptor)


def joining(folder: Path, kinds: Sequence[str] = KINDS) -> list[str]:
    """What to put before a command to run it in the namespaces pinned in `folder`."""
    flags = [f"{_FLAGS[kind]}={folder / kind}" for kind in kinds]
    return ["nsenter", *flags, "--"]


def tcp_socket(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A non-blocking TCP socket that lives in the namespace whose file is `namespace`.

    Namespaces belong to threads: one of its own enters, opens the socket and ends, so that no other
    work can find itself there. Blocks for about 0.1 ms. Raises OSError.
    """

    def work() -> socket.socket:
        handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", handle, _NEWNET, about=namespace)
        finally:
            os.close(handle)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock

    with ThreadPoolExecutor(1, thread_name_prefix="netns") as own:
        return own.submit(work).result()
