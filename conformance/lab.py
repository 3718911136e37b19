# SPDX-License-Identifier: Apache-2.0
"""The lab the suite runs on: its own name, data directory and kubeconfig, so it disturbs nobody's cluster."""

import shutil
import subprocess
import sys
from pathlib import Path

from conformance.build import BuildError
from conformance.versions import cache

NAME = "conformance"


def data_dir() -> Path:
    return cache() / "lab"


def kubeconfig() -> Path:
    return data_dir() / "admin.kubeconfig"


def start(nodes: int, images: Path) -> bool:
    """A lab of a control plane and `nodes` nodes with `images` loaded; False: it ran already."""
    if is_running():
        return False
    shutil.rmtree(data_dir(), ignore_errors=True)
    _pybernetes("up", "--nodes", str(nodes), "--port", "0", "--no-kubeconfig", "--audit-log")
    _pybernetes("image", "load", str(images))
    return True


def is_running() -> bool:
    command = [sys.executable, "-m", "pybernetes.cli.main", "status", *_which()]
    return subprocess.run(command, capture_output=True).returncode == 0


def delete() -> None:
    """Stop the lab and remove all of it."""
    _pybernetes("delete")


def keep_logs(target: Path) -> None:
    """Copy the components' logs of the lab."""
    target.mkdir(parents=True, exist_ok=True)
    logs = ("*.log", "nodes/*/*.log", "nodes/*/containerd/*.log")
    for path in sorted(found for pattern in logs for found in data_dir().glob(pattern)):
        shutil.copy(path, target / "-".join(path.relative_to(data_dir()).parts))


def _which() -> list[str]:
    return ["--name", NAME, "--data-dir", str(data_dir())]


def _pybernetes(verb: str, *words: str) -> None:
    command = [sys.executable, "-m", "pybernetes.cli.main", verb, *words, *_which()]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise BuildError(f"the lab is not to be had: `pybernetes {verb}` failed")
