# SPDX-License-Identifier: Apache-2.0
"""Clusters on this machine as the command line sees them: a data directory each.

Files in it: config.json (what was asked for), state.json (what runs), pybernetes.pid (held locked
by the process), pybernetes.log, admin.kubeconfig. Of a lab also nodes/NAME (a node's files, with its
own node.pid) and ns/NAME (its namespaces).
"""

import argparse
import json
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pybernetes.base import files
from pybernetes.base.errors import Told

DEFAULT_NAME = "pybernetes"
_UNNAMED = 1  # instead of the pid of a process that has locked its file, but not written it
FORMAT = 1  # of the data directory; larger ones are refused


def data_home() -> Path:
    """Where this user's clusters live."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "pybernetes"


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """--data-dir and the name, which every verb about one cluster takes."""
    parser.add_argument(
        "name", nargs="?", default="", help=f"the cluster (default: {DEFAULT_NAME})"
    )
    parser.add_argument("--name", dest="name_flag", default="", help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, help="where its state is kept")


def open_cluster(options: argparse.Namespace) -> "Cluster":
    """The cluster that the options name, which need not exist. Raises Told."""
    kept = Cluster("", options.data_dir).config().get("name", "") if options.data_dir else ""
    name = str(options.name or options.name_flag or kept or DEFAULT_NAME)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        raise Told(f'"{name}" is no cluster name: lower-case letters, digits and "-"', 2)
    data_dir = options.data_dir or data_home() / name
    cluster = Cluster(name, data_dir.absolute())
    cluster.check_format()
    return cluster


def open_existing(options: argparse.Namespace, *, lab: bool = False) -> "Cluster":
    """The cluster that is named; else the default one, or the only lab (`lab`: only that).

    Raises Told.
    """
    cluster = open_cluster(options)
    named = options.name or options.name_flag or options.data_dir
    labs = [one for one in all_clusters() if one.lab()] if not named else []
    if len(labs) == 1 and (lab or not cluster.exists):
        return labs[0]
    if not cluster.exists:
        there = ", ".join(one.name for one in all_clusters())
        hint = f"there are: {there}" if there else "`pybernetes up` makes one"
        raise Told(f'there is no cluster "{cluster.name}" ({cluster.data_dir}); {hint}')
    return cluster


def all_clusters() -> list["Cluster"]:
    """The clusters under the default data home, by name."""
    home = data_home()
    found = sorted(home.iterdir()) if home.is_dir() else []
    return [Cluster(path.name, path) for path in found if (path / "config.json").exists()]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of this user."""

    name: str
    data_dir: Path

    @property
    def log_path(self) -> Path:
        return self.data_dir / "pybernetes.log"

    @property
    def exists(self) -> bool:
        return (self.data_dir / "config.json").exists()

    def check_format(self) -> None:
        """Refuse a data directory that a newer version made."""
        found = self.config().get("format", FORMAT)
        if found > FORMAT:
            raise Told(
                f"{self.data_dir} has format {found}, newer than this version's {FORMAT}: "
                "upgrade pybernetes, or use another --data-dir"
            )

    def config(self) -> dict[str, Any]:
        """What was asked for, and what was chosen since."""
        return self._read("config.json")

    def lab(self) -> dict[str, Any]:
        """The lab's `network` and `nodes`; empty if this cluster is no lab."""
        found: dict[str, Any] = self.config().get("lab") or {}
        return found

    def settle(self, asked: dict[str, Any]) -> None:
        """Write config.json: what was asked for now, over what was asked for before."""
        config = {**self.config(), **asked, "format": FORMAT, "name": self.name}
        files.write_json(self.data_dir / "config.json", config)

    def state(self) -> dict[str, Any]:
        """What the running (or last) process said of itself."""
        return self._read("state.json")

    def pid(self) -> int:
        """The process that runs this cluster; 0 if none does (a stale file does not count)."""
        return self._holder(self.data_dir / "pybernetes.pid")

    def node_pid(self, node: str) -> int:
        """The process of a lab's node; 0 if none runs."""
        return self._holder(self.node_dir(node) / "node.pid")

    def node_dir(self, node: str) -> Path:
        """The files of a lab's node."""
        return self.data_dir / "nodes" / node

    def _holder(self, path: Path) -> int:
        """The process that holds a pid file; 1 if it does not say yet who it is, 0 if none does."""
        try:
            found = files.holder(path)
        except PermissionError as error:
            raise Told(f"no permission to use {self.data_dir}: it is another user's") from error
        return 0 if found is None else found or _UNNAMED

    def stop(self, seconds: float = 30.0) -> bool:
        """Ask the process to stop and wait for it; False if none ran. Raises Told."""
        pid = self.pid()
        if not pid:
            return False
        deadline = time.monotonic() + seconds  # noqa: TID251  (a command waits for a process)
        while pid == _UNNAMED and time.monotonic() < deadline:  # noqa: TID251
            time.sleep(0.02)  # noqa: TID251
            pid = self.pid()
        if pid in (0, _UNNAMED):
            return bool(pid)
        os.kill(pid, signal.SIGTERM)
        while self.pid():
            if time.monotonic() > deadline:  # noqa: TID251
                os.kill(pid, signal.SIGKILL)
                raise Told(f"process {pid} did not stop in {seconds:.0f} s and was killed")
            time.sleep(0.02)  # noqa: TID251
        return True

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.data_dir / name).read_text())
        except FileNotFoundError:
            return {}
        except PermissionError as error:
            raise Told(f"no permission to read {self.data_dir}: it is another user's") from error
        except ValueError as error:
            raise Told(f"{self.data_dir / name} is damaged: {error}") from error
        return found
