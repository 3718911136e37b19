# SPDX-License-Identifier: Apache-2.0
"""The `pybernetes` command and a real kubectl, as the end-to-end tests use them."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WEB = str(ROOT / "examples" / "web")
KUBECTL = shutil.which("kubectl")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_BUILT = _CACHE / "pybernetes" / "conformance" / "1.37.1" / "bin" / "kubectl"
KUBECTLS = {"machine": KUBECTL, "1.37": shutil.which(_BUILT)}  # the second: scripts/ci-tools.sh
RANGES = (
    "--cluster-cidr",
    "10.62.0.0/16",
    "--service-cidr",
    "10.63.0.0/16",
)  # not those of a user's cluster


def can_run_containers() -> bool:
    from pybernetes.machine.detect import detect

    return not detect()


def require(present: bool, what: str) -> None:
    """Skip the test where something is missing (in CI that is a failure: tests/conftest.py)."""
    if not present:
        pytest.skip(f"needs {what}")


def without_root() -> tuple[str, ...]:
    """What to put before a command to run it without root: a user namespace, if we are root."""
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "--user")
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    require(allowed, "user namespaces, to drop root")
    return prefix


def wait_until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """The first true value of `condition()`; the assertion says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what or condition}"
        time.sleep(0.1)
    return found


@dataclass
class Cli:
    """The `pybernetes` command and kubectl, aimed at one data directory.

    `prefix` goes before both commands, which then run in another namespace.
    """

    data_dir: Path
    prefix: tuple[str, ...] = ()
    program: str = KUBECTL or "kubectl"

    def pybernetes(
        self, verb: str, *args: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, sys.executable, "-m", "pybernetes.cli.main", verb]
        env = {**os.environ, "HOME": str(self.data_dir.parent), "KUBECONFIG": str(self.user_config)}
        done = subprocess.run(
            [*command, "--data-dir", str(self.data_dir), *args],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=env,
        )
        if check:
            assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}{self.log_tail()}"
        return done

    @property
    def user_config(self) -> Path:
        return self.data_dir.parent / "user.kubeconfig"

    def log_tail(self) -> str:
        log = self.data_dir / "pybernetes.log"
        return "\n" + "\n".join(log.read_text().splitlines()[-40:]) if log.exists() else ""

    def kubectl(self, *args: str, data: str = "", check: bool = True, seconds: float = 90) -> str:
        done = self.kubectl_process(*args, data=data, seconds=seconds)
        if check:
            assert done.returncode == 0, (
                f"kubectl {args}: {done.stdout}{done.stderr}{self.log_tail()}"
            )
        return done.stdout if check else done.stdout + done.stderr

    def kubectl_process(
        self, *args: str, data: str = "", seconds: float = 90
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.kubectl_command(*args),
            input=data,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def kubectl_command(self, *args: str) -> list[str]:
        config = str(self.data_dir / "admin.kubeconfig")
        return [*self.prefix, self.program, "--kubeconfig", config, *args]

    @contextlib.contextmanager
    def kubectl_running(self, *args: str, line: str) -> Iterator[str]:
        """A kubectl that goes on (port-forward, proxy), after its first line with `line` in it."""
        command = self.kubectl_command(*args)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield next(text for text in process.stdout if line in text)
            finally:
                process.terminate()

    def terminal(self, *args: str, typed: str = "", seconds: float = 30) -> tuple[str, int]:
        """What kubectl shows on a terminal, and its exit code; `typed` is typed at a prompt."""
        ours, theirs = os.openpty()
        process = subprocess.Popen(self.kubectl_command(*args), stdin=theirs, stdout=theirs,
                                   stderr=theirs, start_new_session=True)  # fmt: skip
        os.close(theirs)
        output, deadline = b"", time.monotonic() + seconds
        try:
            while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
                try:
                    output += os.read(ours, 4096)
                except OSError:  # its end is closed
                    break
                if typed and (b"# " in output or b"enter." in output):
                    os.write(ours, typed.encode())
                    typed = ""
            return output.decode(), process.wait(max(1.0, deadline - time.monotonic()))
        finally:
            process.kill()
            os.close(ours)

    def wait_right(self, seconds: float = 60) -> None:
        """Until the pods of lab-pods.yaml run and are ready, and no others are left.

        Those that a node's shutdown ended stay, as upstream's: they are deleted.
        """
        self.kubectl("delete", "pods", "--field-selector=status.phase=Failed")
        self.kubectl("wait", "node", "--all", "--for=condition=Ready", f"--timeout={seconds:.0f}s")
        self.kubectl("rollout", "status", "deploy/web", f"--timeout={seconds:.0f}s")
        pods = [f"pod/on-{node}" for node in ("w1", "w2", "w3")]
        self.kubectl("wait", *pods, "--for=condition=Ready", f"--timeout={seconds:.0f}s")
        wait_until(lambda: len(self.get("pods")["items"]) == 7, seconds, "7 pods")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.pybernetes("status", "-o", "json", check=False).stdout
        )
        return found

    def on_node(self, name: str, *command: str, check: bool = True) -> str:
        """What a command says on a node of the lab."""
        return self.pybernetes("node", "shell", name, "--", *command, check=check).stdout

    def get(self, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *args, "-o", "json"))
        return found


def web_pods(cli: Cli) -> list[str]:
    """The example's running pods that are not being deleted, sorted."""
    return sorted(
        pod["metadata"]["name"]
        for pod in cli.get("pods", "-n", "demo", "-l", "app=web")["items"]
        if not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] == "Running"
    )
