# SPDX-License-Identifier: Apache-2.0
"""The `pybernetes` command and a real kubectl, as the end-to-end tests use them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WEB = str(ROOT / "examples" / "web")
KUBECTL = shutil.which("kubectl")
RANGES = (
    "--cluster-cidr",
    "10.62.0.0/16",
    "--service-cidr",
    "10.63.0.0/16",
)  # not those of a user's cluster
IN_CI = bool(os.environ.get("CI"))


def can_run_containers() -> bool:
    from pybernetes.machine.detect import detect

    return not detect()


def require(present: bool, what: str) -> None:
    """Skip loudly on a developer's machine; fail in CI, where nothing may be skipped."""
    if not present:
        (pytest.fail if IN_CI else pytest.skip)(f"needs {what}")


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
    """The `pybernetes` command and kubectl, aimed at one data directory."""

    data_dir: Path
    prefix: tuple[str, ...] = ()

    def pybernetes(
        self, verb: str, *args: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, sys.executable, "-m", "pybernetes.cli.main", verb, *args]
        env = {**os.environ, "HOME": str(self.data_dir.parent), "KUBECONFIG": str(self.user_config)}
        done = subprocess.run(
            [*command, "--data-dir", str(self.data_dir)],
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
        assert KUBECTL
        config = str(self.data_dir / "admin.kubeconfig")
        return subprocess.run(
            [KUBECTL, "--kubeconfig", config, *args],
            input=data,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

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
