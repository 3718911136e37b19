# SPDX-License-Identifier: Apache-2.0
"""A private containerd: its own config, socket, root and state under the data directory.

It is a child in a session of its own, so it outlives us; the next start adopts it by pid file and
socket. The system's containerd is never touched.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.errors import Told
from pybernetes.cri.containerd import Containerd
from pybernetes.cri.types import CriError
from pybernetes.linux.processes import wait_end
from pybernetes.machine.config import Config, render
from pybernetes.machine.detect import program

POLL = 0.02
START_TIMEOUT = 20.0
RETRY = 1.0
_log = logs.get("machine.containerd")


class StartError(Told):
    """containerd did not come up; the text ends with the last lines of its log."""


class PrivateContainerd:
    """`await start()`, then `.socket` serves CRI; `await stop()` ends the daemon, not the pods.

    - `start` adopts a daemon that is still running with the same config.
    - Pods keep running while the daemon is down; `machine.cleanup.remove` ends them.
    """

    def __init__(self, env: Env, config: Config) -> None:
        self._env = env
        self._config = config

    @property
    def socket(self) -> str:
        return str(self._config.socket)

    def pid(self) -> int | None:
        """The running daemon's process, if it is ours (its command line names our config)."""
        try:
            pid = int(self._config.pid.read_text())
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # reaps it if it was our child
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self._config.config).encode() in command else None

    async def start(self) -> bool:
        """True if a daemon was started, False if one was adopted. Raises StartError, ValueError."""
        self._config.check()
        text = render(self._config)
        unchanged = self._config.config.exists() and self._config.config.read_text() == text
        if self.pid() is not None:
            if unchanged:  # it may be loading its tasks, which a signal would cost their lives
                with contextlib.suppress(StartError):
                    await self._wait_serving()
                    return False
            await self.stop()
        for folder in (self._config.root, self._config.state, self._config.cni_conf):
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._config.config.write_text(text)
        self._spawn()
        await self._wait_serving()
        return True

    async def keep(self) -> None:
        """Start the daemon again whenever it ends, until cancelled."""
        while True:
            since = self._env.clock.monotonic()
            await wait_end(self.pid() or -1)
            _log.warning("containerd ended; it is started again")
            if self._env.clock.monotonic() - since < RETRY:
                await asyncio.sleep(RETRY)  # not as fast as it ends
            try:
                await self.start()
            except (StartError, OSError) as error:
                _log.error("containerd does not start", err=error)

    def _spawn(self) -> None:
        command = program("containerd")
        if command is None:
            raise StartError("containerd is missing; install it with: apt-get install containerd")
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command,
            [command, "--config", str(self._config.config)],
            {**os.environ, "PATH": f"/usr/sbin:/sbin:{os.environ.get('PATH', os.defpath)}"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._config.log), log, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._config.pid.write_text(str(pid))

    async def _serves(self) -> bool:
        """Whether CRI answers and its plugin is loaded."""
        if not self._config.socket.exists():
            return False
        runtime = Containerd(self.socket)
        try:
            await runtime.version()
        except CriError:
            return False
        finally:
            await runtime.close()
        return True

    async def _wait_serving(self) -> None:
        deadline = self._env.clock.monotonic() + START_TIMEOUT
        misses = 0  # a fresh process shows no command line for a moment
        while self._env.clock.monotonic() < deadline and misses < 5:
            if await self._serves():
                return
            misses = misses + 1 if self.pid() is None else 0
            await asyncio.sleep(POLL)
        raise StartError(f"containerd did not start; its log ends with:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self._config.log.read_text(errors="replace").splitlines()[-8:])
        return ""

    async def stop(self, timeout: float = 10.0) -> None:
        """End the daemon; its pods go on."""
        pid = self.pid()
        if pid is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                os.kill(pid, number)
                async with asyncio.timeout(timeout):
                    await wait_end(pid)
                break
        self._config.pid.unlink(missing_ok=True)
