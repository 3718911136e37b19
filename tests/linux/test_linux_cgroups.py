# SPDX-License-Identifier: Apache-2.0
"""Cgroups that end while they are looked at are no error."""

import shutil
import threading
from pathlib import Path

from pybernetes.linux import cgroups


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
