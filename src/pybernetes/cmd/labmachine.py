# SPDX-License-Identifier: Apache-2.0
"""One node of a lab as a machine on this host: its namespaces, cgroup, link, process; on and off.

Names of everything follow from the cluster's data directory, so that it is found again.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pybernetes.apimachinery import quantity
from pybernetes.base import files
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labconfig import LabNode
from pybernetes.linux import cgroups, links, namespaces
from pybernetes.linux.commands import run
from pybernetes.linux.processes import wait_end
from pybernetes.network.segment import LINKS

LINK = "eth0"  # the node's end
SHUT_DOWN = signal.SIGPWR  # what tells a node's process to end its pods, and itself
SHUT_DOWN_SECONDS = 60.0


class LabMachine:
    """The machine of node `name`. It need not be on, nor exist."""

    def __init__(self, config: ClusterConfig, name: str) -> None:
        self._config = config
        self.name = name
        self.folder = config.data_dir / "nodes" / name
        self.log = self.folder / "node.log"
        self.pki = self.folder / "pki"
        self.token = self.folder / "token"  # for its first certificate
        self.pins = pins(config) / name
        self.cgroup = f"{config.cgroup_root}/{name}"
        digest = hashlib.sha256(f"{config.slug}/{name}".encode()).hexdigest()
        self.link = f"{LINKS}{digest[:10]}"  # the host's end; 15 characters at most

    def pid(self) -> int:
        """The node's process; 0 if none runs (a stale file does not count)."""
        return files.holder(self.folder / "node.pid") or 0

    async def prepare(self, node: LabNode, token: str) -> None:
        """Everything that its process needs and does not make itself."""
        files.write_private(self.token, token)
        cgroups.configure(self.cgroup, _limits(node))
        if await namespaces.pin(self.pins):
            await links.delete_link(self.link)
        await links.ensure_veth(self.link, self._config.bridge, LINK, self.pins / "net")

    async def shut_down(self) -> None:
        """End its pods and its process in good order, as far as they do in time; then turn it off."""
        if pid := self.pid():
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                os.kill(pid, SHUT_DOWN)
                async with asyncio.timeout(SHUT_DOWN_SECONDS):
                    await wait_end(pid)
        await self.turn_off()

    async def turn_off(self) -> list[str]:
        """End all processes at once, and with them the namespaces; what is left."""
        for _ in range(100):
            cgroups.kill(self.cgroup)
            if pid := self.pid():  # just born, and not in the cgroup yet
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if cgroups.remove(self.cgroup):
                break
            await asyncio.sleep(0.02)
        else:
            return [f"cgroup {self.cgroup}"]
        namespaces.unpin(self.pins)
        await links.delete_link(self.link)
        return []

    async def is_cut(self) -> bool:
        """Whether its cable is pulled."""
        return await links.is_off(self.link)

    async def connect(self, *, up: bool) -> None:
        """Plug its cable in, or pull it."""
        await links.attach(self.link, self._config.bridge, up=up)

    def forget(self) -> None:
        """Remove its disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.pins.rmdir()

    def last_words(self) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError, IndexError):
            return self.log.read_text(errors="replace").splitlines()[-1]
        return ""


async def boot(data_dir: Path, names: Sequence[str]) -> None:
    """Start the processes of prepared nodes. Raises CommandError."""
    await run([sys.executable, "-m", "pybernetes.cmd.lab_node", str(data_dir), *names])


def pins(config: ClusterConfig) -> Path:
    """Where the namespaces of all nodes are pinned."""
    return config.data_dir / "ns"


def _limits(node: LabNode) -> cgroups.Limits:
    cpu = quantity.parse(node.cpu).to_milli() * cgroups.PERIOD // 1000 if node.cpu else -1
    return cgroups.Limits(
        quota=cpu, memory=quantity.parse(node.memory).to_int() if node.memory else -1
    )
