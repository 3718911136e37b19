# SPDX-License-Identifier: Apache-2.0
"""A lab node's own files: what it writes stays with it, what is the cluster's is not seen."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pybernetes.linux import namespaces

pytestmark = pytest.mark.node
_SET_UP = """
import sys
from pathlib import Path
from pybernetes.machine import disk
data = Path(sys.argv[1])
print(disk.set_up(data, data / "nodes" / "w1", "127.0.0.1 localhost\\n", "w1"))
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Outside of what the node has overlays of (below them a folder is shared with the host)."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        yield Path(name)


def test_a_node_has_its_own_disk_and_sees_nothing_of_the_clusters(data_dir):
    node_dir, place = data_dir / "nodes" / "w1", data_dir / "ns"
    node_dir.mkdir(parents=True)
    for file in ("pybernetes.pid", "secret"):
        (data_dir / file).touch()
    namespaces.prepare(place)

    def inside(*command: str) -> str:
        done = subprocess.run(
            [*namespaces.joining(place / "w1"), *command],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return done.stdout

    try:
        asyncio.run(namespaces.pin(place / "w1"))
        assert inside(sys.executable, "-c", _SET_UP, str(data_dir)) == "True\n"
        assert inside(sys.executable, "-c", _SET_UP, str(data_dir)) == "False\n"
        assert inside("cat", "/etc/hostname") == "w1\n"
        inside("sh", "-c", f"echo mine > /var/only-w1; echo seen > {node_dir}/file")
        assert not Path("/var/only-w1").exists()
        assert (node_dir / "disk" / "var" / "only-w1").read_text() == "mine\n"
        assert (node_dir / "file").read_text() == "seen\n"
        assert inside("ls", "-A", str(data_dir)) == "nodes\n"
        assert inside("ls", "-A", "/run") == ""
        (node_dir / "kubelet" / "log" / "pods" / "default_web_1").mkdir()
        assert inside("ls", "/var/log/pods") == "default_web_1\n"
        assert inside("ls", "/var/lib/kubelet") == "log\n"
        assert inside("ls", "/etc/kubernetes") == "manifests\n"
        assert "shared:" in inside(
            "sh", "-c", "grep -E '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ / ' /proc/self/mountinfo"
        )
    finally:
        namespaces.unpin(place / "w1")
        namespaces.unpin(place)
