# SPDX-License-Identifier: Apache-2.0
"""Every component also runs alone: the same end-to-end test against one process and against four."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.base.env import Env
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from pybernetes.client.rest import read_all
from pybernetes.client.types import Client, WatchEvent
from pybernetes.wire.types import Request
from tests.ports import free_port

DEPLOYMENTS = GVR("apps", "v1", "deployments")
NAMESPACES = GVR("", "v1", "namespaces")
PODS = GVR("", "v1", "pods")
COMPONENTS = ("controller-manager", "scheduler", "hollow-node")


def deployment(replicas: int) -> dict[str, Any]:
    container = {"name": "web", "image": "example.org/web:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


async def until(events: AsyncIterator[WatchEvent], wanted: Any) -> None:
    async for event in events:
        if wanted(event):
            return


async def end_to_end(client: Client) -> None:
    """A Deployment rolls out and is scaled; then its namespace goes, and all with it."""
    await client.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await client.create(DEPLOYMENTS, deployment(3), "shop")

    def available(count: int) -> Any:
        return lambda event: event.object.get("status", {}).get("availableReplicas") == count

    async with asyncio.timeout(40):
        await until(client.watch(DEPLOYMENTS, "shop"), available(3))
        await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, "shop")
        await until(client.watch(DEPLOYMENTS, "shop"), available(5))
        pods = (await client.list(PODS, "shop")).items
        assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 5
        await client.delete(NAMESPACES, "shop")
        gone = client.watch(NAMESPACES, field_selector="metadata.name=shop")
        await until(gone, lambda event: event.type == "DELETED")
    assert (await client.list(PODS, "shop")).items == []


@asynccontextmanager
async def command(folder: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`pybernetes WORDS` in the background; its log beside its state."""
    with (folder / f"{words[1]}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pybernetes.cli.main", *words),
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "KUBECONFIG": str(folder / "user")},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            assert await process.wait() == 0, (folder / f"{words[1]}.log").read_text()[-2000:]


@asynccontextmanager
async def one_process(folder: Path) -> AsyncIterator[None]:
    state = ("--data-dir", str(folder / "state"))
    async with command(folder, "up", "--node", "hollow", "--port", "0", *state) as up:
        await up.wait()
    try:
        yield
    finally:
        async with command(folder, "down", *state) as down:
            await down.wait()


@asynccontextmanager
async def separate(folder: Path) -> AsyncIterator[None]:
    state = folder / "state"
    admin = state / "admin.kubeconfig"
    where = ("--data-dir", str(state), "--port", str(free_port()))
    async with command(folder, "component", "apiserver", *where):
        async with asyncio.timeout(20):
            while not admin.exists():  # noqa: ASYNC110  (another process writes it)
                await asyncio.sleep(0.05)
        access = ("--kubeconfig", str(admin))
        async with (
            command(folder, "component", COMPONENTS[0], *access),
            command(folder, "component", COMPONENTS[1], *access),
            command(folder, "component", COMPONENTS[2], *access),
        ):
            yield


@pytest.mark.parametrize("cluster", [one_process, separate])
async def test_the_same_works_in_one_process_and_in_four(cluster: Any, tmp_path: Path) -> None:
    async with cluster(tmp_path):
        access = kubeconfig.load(tmp_path / "state" / "admin.kubeconfig")
        client = Https(Env(), access)
        try:
            await end_to_end(client)
        finally:
            await client.close()


STAGES = """
stages:
- logs: [hello from the hollow]
  usage: {memory: 64Mi}
"""


async def test_hollow_nodes_in_a_process_of_their_own_serve_logs_and_numbers(
    tmp_path: Path,
) -> None:
    """One listener for both nodes, each with a certificate from the cluster's signer."""
    state, stages = tmp_path / "state", tmp_path / "stages.yaml"
    stages.write_text(STAGES)
    admin = state / "admin.kubeconfig"
    access = ("--kubeconfig", str(admin))
    where = ("--data-dir", str(state))
    async with command(tmp_path, "component", "apiserver", *where, "--port", str(free_port())):
        async with asyncio.timeout(20):
            while not admin.exists():  # noqa: ASYNC110  (another process writes it)
                await asyncio.sleep(0.05)
        extra = ("--node-name", "extra", "--nodes", "2", "--stages", str(stages))
        async with (
            command(tmp_path, "component", "controller-manager", *access, *where),
            command(tmp_path, "component", "hollow-node", *access, *extra),
        ):
            client = Https(Env(), kubeconfig.load(admin))
            try:
                async with asyncio.timeout(60):
                    await logs_and_numbers(client)
            finally:
                await client.close()


async def logs_and_numbers(client: Client) -> None:
    for number in (0, 1):
        container = {"name": "main", "image": "example.org/web:1"}
        spec = {"nodeName": f"extra-{number}", "containers": [container]}
        pod = {"metadata": {"name": f"p{number}"}, "spec": spec}
        while True:  # the service account may not be there yet, nor the node
            try:
                await client.create(PODS, pod, "default")
                break
            except ApiError:
                await asyncio.sleep(0.2)
    running = ("phase", "Running")
    await until(
        client.watch(PODS, "default"), lambda event: running in event.object["status"].items()
    )
    paths = [f"/api/v1/namespaces/default/pods/p{number}/log" for number in (0, 1)]
    paths += [f"/api/v1/nodes/extra-{number}/proxy/stats/summary" for number in (0, 1)]
    wanted = [b"hello from the hollow\n"] * 2 + [b'"nodeName":"extra-0"', b'"nodeName":"extra-1"']
    for path, text in zip(paths, wanted, strict=True):
        while text not in await fetched(client, path):  # noqa: ASYNC110  (a certificate is to come)
            await asyncio.sleep(0.2)


async def fetched(client: Client, path: str) -> bytes:
    reply = await read_all(await client.send(Request("GET", path, path)))
    return reply.body
