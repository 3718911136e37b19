# SPDX-License-Identifier: Apache-2.0
"""Backups, restores, moves between stores, and several API servers over one etcd: real processes."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.base.env import Env
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from tests.cmd.command import PYBERNETES, said
from tests.ports import free_port
from tests.storage.etcds import Member

MAPS = GVR("", "v1", "configmaps")
NAMESPACES = GVR("", "v1", "namespaces")


@pytest.fixture(params=["3.6", "3.4"])
def member(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Member]:
    member = Member(tmp_path / "etcd", request.param).start()
    yield member
    member.kill()


class Cli:
    """The command, aimed at one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def __call__(self, *words: str, code: int = 0) -> str:
        command = [*PYBERNETES, *words, "--data-dir", str(self.data_dir)]
        return said(command, code, KUBECONFIG=str(self.data_dir.parent / "user.kubeconfig"))


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path / "data")
    yield cli
    if cli.data_dir.exists():
        cli("delete")


@contextlib.asynccontextmanager
async def client(data_dir: Path) -> Any:
    env = Env()
    found = Https(env, kubeconfig.load(data_dir / "admin.kubeconfig"))
    yield found
    await found.close()
    env.offload.close()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def revision(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def names(api: Https) -> list[str]:
    found = (await api.list(MAPS, "default")).items
    return [
        obj["metadata"]["name"] for obj in found if obj["metadata"]["name"] != "kube-root-ca.crt"
    ]


async def test_backup_and_restore_of_a_running_cluster(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "monday.db"
    cli("up", "--node", "hollow", "--port", "0")
    async with client(cli.data_dir) as api:
        kept = await api.create(MAPS, config_map("kept", a="1"), "default")
        await api.create(MAPS, config_map("lost", a="1"), "default")
        assert "backed up at revision" in cli("backup", str(file))
        content = file.read_bytes()
        await api.delete(MAPS, "lost", "default")
        changed = await api.update(MAPS, {**kept, "data": {"a": "2"}}, "default")
        await api.create(MAPS, config_map("new"), "default")
        cli("restore", str(file))
        assert await names(api) == ["kept", "lost"]
        again = await api.get(MAPS, "kept", "default")
        assert again["data"] == {"a": "1"}
        assert again["metadata"]["uid"] == kept["metadata"]["uid"]
        assert revision(again) > revision(changed)
    assert file.read_bytes() == content
    assert "no such file" in cli("restore", str(tmp_path / "none"), code=1)
    (tmp_path / "text").write_bytes(b"x" * 5000)
    assert "not a database" in cli("restore", str(tmp_path / "text"), code=1)
    cli("down")
    cli("backup", str(file))
    cli("restore", str(file))
    cli("up")
    async with client(cli.data_dir) as api:
        assert await names(api) == ["kept", "lost"]


@pytest.mark.parametrize("member", ["3.6"], indirect=True)
async def test_a_cluster_moves_into_etcd_and_back(cli: Cli, member: Member) -> None:
    cli("up", "--node", "hollow", "--port", "0")
    assert "runs" in cli("migrate", "--to", "etcd", "--etcd-servers", member.url, code=1)
    async with client(cli.data_dir) as api:
        one = await api.create(MAPS, config_map("one"), "default")
    cli("down")
    assert "migrate" in cli("up", "--etcd-servers", member.url, code=1)
    cli("migrate", "--to", "etcd", "--etcd-servers", member.url)
    cli("up")
    async with client(cli.data_dir) as api:
        moved = await api.get(MAPS, "one", "default")
        assert moved["metadata"]["uid"] == one["metadata"]["uid"]
        assert revision(moved) > revision(one)
        with pytest.raises(ApiError) as stale:
            await api.update(MAPS, one, "default")
        assert stale.value.code == 409
        events = api.watch(MAPS, "default", resource_version=str(revision(one)))
        with pytest.raises(ApiError) as old:
            await anext(events)
        assert old.value.code == 410
        two = await api.create(MAPS, config_map("two"), "default")
    cli("down")
    cli("migrate", "--to", "sqlite")
    cli("up")
    async with client(cli.data_dir) as api:
        back = await api.get(MAPS, "two", "default")
        assert back == two  # its resourceVersion too
        assert revision(await api.create(MAPS, config_map("three"), "default")) > revision(two)
    cli("down")
    assert "has keys" in cli("migrate", "--to", "etcd", "--etcd-servers", member.url, code=1)


@contextlib.contextmanager
def api_server(data_dir: Path, *words: str) -> Iterator[None]:
    command = [*PYBERNETES, "component", "apiserver"]
    (data_dir / "admin.kubeconfig").unlink(missing_ok=True)
    with (data_dir / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *words], stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 30
        while not (data_dir / "admin.kubeconfig").exists():
            assert process.poll() is None, (data_dir / "log").read_text()
            assert time.monotonic() < end, (data_dir / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


async def test_two_api_servers_over_one_etcd(member: Member, tmp_path: Path) -> None:
    """Whatever one has answered, the other one has: objects, lists, deletions, conflicts."""
    words = ("--etcd-servers", member.url, "--etcd-prefix", "/two")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(api_server(one, *words, "--port", str(free_port())))
        two.mkdir()
        shutil.copytree(one / "pki", two / "pki")
        stack.enter_context(api_server(two, *words, "--port", str(free_port())))
        async with client(one) as first, client(two) as second:
            for index in range(40):
                here, there = (first, second) if index % 2 else (second, first)
                made = await here.create(MAPS, config_map(f"m{index}"), "default")
                assert await there.get(MAPS, f"m{index}", "default") == made
                found = await there.list(MAPS, "default")
                assert len(found.items) == index + 1
                changed = await there.update(MAPS, {**made, "data": {"x": "y"}}, "default")
                with pytest.raises(ApiError) as conflict:
                    await here.update(MAPS, {**made, "data": {"x": "z"}}, "default")
                assert conflict.value.code == 409
                assert await here.get(MAPS, f"m{index}", "default") == changed
            for index in range(20):
                here, there = (first, second) if index % 2 else (second, first)
                await here.create(NAMESPACES, {"metadata": {"name": f"n{index}"}})
                made = await there.create(MAPS, config_map("x"), f"n{index}")
                await here.patch(MAPS, "x", {"data": {"a": "b"}}, f"n{index}")
                await there.delete(MAPS, "x", f"n{index}")
                with pytest.raises(ApiError) as old:
                    await here.update(MAPS, made, f"n{index}")
                assert old.value.code == 404
            for index in range(40):
                here, there = (first, second) if index % 2 else (second, first)
                await here.delete(MAPS, f"m{index}", "default")
                with pytest.raises(ApiError) as gone:
                    await there.get(MAPS, f"m{index}", "default")
                assert gone.value.code == 404
