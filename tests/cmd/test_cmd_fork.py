# SPDX-License-Identifier: Apache-2.0
"""`pybernetes fork`: another cluster with the same objects, on its own from then on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Machine:
    """The command and kubectl, in a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "XDG_DATA_HOME": str(home),
            "KUBECONFIG": str(home / "user.kubeconfig"),
        }

    def __call__(self, *words: str, code: int = 0) -> str:
        return self._run([sys.executable, "-m", "pybernetes.cli.main", *words], code)

    def kubectl(self, cluster: str, *words: str) -> str:
        found = shutil.which("kubectl")
        assert found
        access = self.home / "pybernetes" / cluster / "admin.kubeconfig"
        return self._run([found, "--kubeconfig", str(access), *words], 0)

    def objects(self, cluster: str, *what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl(cluster, "get", *what, "-o", "json"))[
            "items"
        ]
        return found

    def _run(self, command: list[str], code: int) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=100, env=self.environment
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    for path in sorted((tmp_path / "pybernetes").glob("*")):
        machine("delete", path.name)


def identity(obj: dict[str, Any]) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata["name"], metadata["uid"], metadata["resourceVersion"]


@pytest.mark.kubectl
def test_a_running_cluster_is_forked(machine: Machine) -> None:
    machine("up", "one", "--node", "hollow", "--nodes", "2", "--port", "0")
    machine.kubectl("one", "create", "deployment", "web", "--image=web:1", "--replicas=3")
    machine.kubectl("one", "rollout", "status", "deployment/web", "--timeout=60s")
    machine.kubectl("one", "create", "configmap", "both", "--from-literal=a=b")
    said = machine("fork", "one", "two")
    assert 'Cluster "two" is ready' in said
    for kind in ("configmaps", "serviceaccounts", "secrets"):
        ours, theirs = (machine.objects(name, kind, "-A") for name in ("one", "two"))
        assert [
            identity(obj)
            for obj in theirs
            if obj["metadata"]["name"] != "extension-apiserver-authentication"
        ] == [
            identity(obj)
            for obj in ours
            if obj["metadata"]["name"] != "extension-apiserver-authentication"
        ]
    servers = [
        machine.kubectl(name, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
        for name in ("one", "two")
    ]
    assert servers[0] != servers[1]
    nodes = [
        sorted(obj["metadata"]["name"] for obj in machine.objects(name, "nodes"))
        for name in ("one", "two")
    ]
    assert nodes[0] == nodes[1]
    # on its own: pods run there, and neither sees what is done to the other
    machine.kubectl("two", "delete", "configmap", "both")
    machine.kubectl("two", "scale", "deployment/web", "--replicas=5")
    machine.kubectl("two", "rollout", "status", "deployment/web", "--timeout=60s")
    machine.kubectl("one", "get", "configmap", "both")
    ours, theirs = (machine.objects(name, "pods") for name in ("one", "two"))
    assert (len(ours), len(theirs)) == (3, 5)
    uids = [{obj["metadata"]["uid"] for obj in pods} for pods in (ours, theirs)]
    assert uids[0] < uids[1]
    assert {obj["status"]["phase"] for obj in theirs} == {"Running"}
    assert "already" in machine("fork", "one", "two", code=1)
    machine("down", "two")
    machine("up", "two")
    assert len(machine.objects("two", "pods")) == 5
    table = machine("list").splitlines()
    assert [line.split()[:3] for line in table[1:]] == [
        ["one", "running", "2"],
        ["two", "running", "2"],
    ]


def test_forks_that_cannot_be(machine: Machine) -> None:
    assert "no cluster" in machine("fork", "none", "two", code=1)
    machine("up", "one", "--node", "hollow", "--port", "0")
    assert "no cluster name" in machine("fork", "one", "Two!", code=2)
    machine("down", "one")
    machine("fork", "one", "--no-kubeconfig")  # of a stopped one, too
    assert sorted(path.name for path in (machine.home / "pybernetes").iterdir()) == [
        "one",
        "one-fork",
    ]
    (machine.home / "pybernetes" / "one" / "store.db").write_bytes(b"no store " * 1000)
    machine("fork", "one", "three", code=1)
    assert not (machine.home / "pybernetes" / "three").exists()
