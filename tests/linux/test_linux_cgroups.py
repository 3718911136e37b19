# SPDX-License-Identifier: Apache-2.0
"""Cgroups that end while they are looked at are no error."""

import shutil
import threading
from pathlib import Path

from pybernetes.linux import cgroups
from pybernetes.linux.cgroups import Limits


def test_processes_of_a_tree_that_changes_meanwhile(tmp_path: Path) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            deep = tmp_path / "pod" / "container" / "init"
            deep.mkdir(parents=True)
            (deep / "cgroup.procs").write_text("7\n")
            shutil.rmtree(tmp_path / "pod")

    (tmp_path / "cgroup.procs").write_text("4\n5\n")
    churning = threading.Thread(target=churn)
    churning.start()
    try:
        seen = [cgroups.processes(tmp_path) for _ in range(500)]
    finally:
        stop.set()
        churning.join()
    assert all(found in ([4, 5], [4, 5, 7]) for found in seen)


def test_a_cgroup_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    for controller in ("cpu", "memory"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
    (tmp_path / "cpu" / "pods").write_text("no folder")
    failed = cgroups.configure("/pods/a", Limits(shares=2, memory=7), tmp_path)
    assert failed == [f"{tmp_path}/cpu/pods/a: Not a directory"]
    assert (tmp_path / "memory/pods/a/memory.limit_in_bytes").read_text() == "7"
