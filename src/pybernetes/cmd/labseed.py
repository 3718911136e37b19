# SPDX-License-Identifier: Apache-2.0
"""What every node of a lab begins with: a containerd root that holds the images, imported once.

A new node gets a copy whose files are links: content and unpacked layers are never written to, so
all nodes share one copy on disk and in memory; only containerd's databases are the node's own.
"""

import asyncio
import contextlib
import fcntl
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.cri.containerd import Containerd
from pybernetes.images import builtin, importer
from pybernetes.linux import mounts
from pybernetes.linux.commands import run
from pybernetes.machine.config import Config
from pybernetes.machine.containerd import PrivateContainerd


class Seed:
    """The lab's, below `data_dir`; other processes may use it at the same time (a file lock)."""

    def __init__(self, env: Env, data_dir: Path) -> None:
        self._env = env
        self._config = Config(data_dir / "seed")
        self._lock = asyncio.Lock()
        self._ready = self._config.data / "ready"

    async def ensure(self) -> None:
        """Make it, with the built-in images, if it is missing. Raises StartError, ImportFailed."""
        async with self._lock, self._locked(fcntl.LOCK_EX):
            if not self._ready.exists():
                await self.clear()
                async with self._daemon() as socket:
                    runtime = Containerd(socket)
                    await builtin.ensure(runtime, socket, self._config.data)
                    await runtime.close()
                self._ready.touch()

    async def load(self, archive: Path) -> None:
        """Add images, for nodes to come. Raises StartError, ImportFailed."""
        async with self._locked(fcntl.LOCK_EX), self._daemon() as socket:
            await importer.load(socket, archive)

    async def plant(self, node_dir: Path) -> None:
        """Give a node its copy, if it has no containerd root yet. Raises CommandError."""
        target = Config(node_dir).root
        if target.exists():
            return
        await self.ensure()
        partial = target.with_name("root.partial")
        partial.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        async with self._locked(fcntl.LOCK_SH):
            await run(["rm", "-rf", str(partial)])
            await run(["cp", "-al", str(self._config.root), str(partial)])
            for database in self._config.root.rglob("*.db"):
                own = partial / database.relative_to(self._config.root)
                own.unlink()
                shutil.copy2(database, own)
        partial.rename(target)

    async def clear(self) -> None:
        """Remove what an interrupted `ensure` or `load` left running or mounted."""
        await PrivateContainerd(self._env, self._config).stop()
        mounts.detach_below(self._config.data)
        if not self._ready.exists():
            shutil.rmtree(self._config.root, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def _daemon(self) -> AsyncIterator[str]:
        daemon = PrivateContainerd(self._env, self._config)
        await daemon.start()
        try:
            yield daemon.socket
        finally:
            await daemon.stop()

    @contextlib.asynccontextmanager
    async def _locked(self, kind: int) -> AsyncIterator[None]:
        self._config.root.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        with (self._config.data / "lock").open("w") as held:
            await self._env.offload.run(fcntl.flock, held, kind)
            yield
