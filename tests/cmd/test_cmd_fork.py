# SPDX-License-Identifier: Apache-2.0
"""`pybernetes fork`: another cluster with the same objects, on its own from then on."""

import asyncio
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apimachinery.types import GVR
from pybernetes.base.env import Env
from pybernetes.client.https import Https
from pybernetes.client.kubeconfig import load
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from tests.cmd.command import PYBERNETES, said

CONFIG_MAPS = GVR("", "v1", "configmaps")


class Machine:
    """The command and kubectl, in a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: str, code: int = 0) -> str:
        user = str(self.home / "user.kubeconfig")
        return said([*PYBERNETES, *words], code, XDG_DATA_HOME=str(self.home), KUBECONFIG=user)

    def kubectl(self, cluster: str, *words: str) -> str:
        found = shutil.which("kubectl")
        assert found
        access = self.home / "pybernetes" / cluster / "admin.kubeconfig"
        return said([found, "--kubeconfig", str(access), *words])

    def objects(self, cluster: str, *what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl(cluster, "get", *what, "-o", "json"))[
            "items"
        ]
        return found


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
    assert 'Cluster "two" is ready' in machine("fork", "one", "two")
    for kind in ("configmaps", "serviceaccounts", "secrets"):
        ours, theirs = (machine.objects(name, kind, "-A") for name in ("one", "two"))
        assert [identity(obj) for obj in theirs] == [identity(obj) for obj in ours]
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


class Writers:
    """Twenty clients that make and change objects as fast as they can, in a thread; `count` of writes."""

    def __init__(self, access: Path) -> None:
        self.count = 0
        self._access = access
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        client = Https(Env(), load(self._access))
        await asyncio.gather(*(self._write(client, number) for number in range(20)))
        await client.close()

    async def _write(self, client: Https, number: int) -> None:
        turn = 0
        while not self._end.is_set():
            obj = {"metadata": {"name": f"c{number}-{turn % 50}"}, "data": {"turn": str(turn)}}
            verb = client.create if turn < 50 else client.update
            await verb(CONFIG_MAPS, obj, "default")
            self.count, turn = self.count + 1, turn + 1

    def __enter__(self) -> "Writers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def content(store: Path, revision: int) -> list[tuple[str, bytes, int]]:
    """Every key, value and revision that the store of a stopped cluster had at a revision."""

    async def read() -> list[tuple[str, bytes, int]]:
        env = Env()
        opened = await SqliteStore.open(env, SqliteConfig(store))
        try:
            page = await opened.list("/", revision=revision)
        finally:
            await opened.close()
            env.offload.close()
        return [(record.key, record.value, record.revision) for record in page.records]

    return asyncio.run(read())


def test_a_busy_cluster_is_forked_at_one_revision(machine: Machine) -> None:
    machine("up", "one", "--node", "hollow", "--port", "0")
    folders = machine.home / "pybernetes"
    with Writers(folders / "one" / "admin.kubeconfig") as writers:
        while writers.count < 1000:
            time.sleep(0.05)
        before = writers.count
        told = machine("fork", "one", "two")
        assert writers.count > before + 100
    found = re.search(r"backed up at revision (\d+)", told)
    assert found
    machine("fork", "two", "three")  # a fork's fork is a fork
    for name in ("one", "two", "three"):
        machine("down", name)
    ours, theirs = (content(folders / name / "store.db", int(found[1])) for name in ("one", "two"))
    assert len(ours) > 800
    assert max(revision for *_, revision in ours) == int(found[1])
    assert theirs == ours


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
    with socket.create_server(("127.0.0.1", 0)) as taken:  # nothing stays of one that cannot start
        port = str(taken.getsockname()[1])
        assert f"port {port} is taken" in machine("fork", "one", "two", "--port", port, code=1)
    assert not (machine.home / "pybernetes" / "two").exists()
    assert "name the fork otherwise" in machine("fork", "one", "one", code=1)
    (machine.home / "pybernetes" / "one" / "store.db").write_bytes(b"no store " * 1000)
    machine("fork", "one", "three", code=1)
    assert not (machine.home / "pybernetes" / "three").exists()
