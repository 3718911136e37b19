# SPDX-License-Identifier: Apache-2.0
"""The operator against real controllers, a scheduler and a node that starts nothing: pytest test_critical.py."""

import asyncio
import functools
import importlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest
import pytest_asyncio

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.testing.cluster import Cluster

DEPLOYMENTS = GVR("apps", "v1", "deployments")
EVENTS = GVR("", "v1", "events")


@pytest_asyncio.fixture
async def operator(fork: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The operator runs beside the test, logged in as its fork's administrator."""
    monkeypatch.setenv("KUBECONFIG", str(await fork.kubeconfig()))
    registry = kopf.OperatorRegistry()
    kopf.set_default_registry(registry)
    import critical

    importlib.reload(critical)  # its handlers go to this registry
    ready, stop = threading.Event(), threading.Event()
    run = functools.partial(kopf.run, registry=registry, clusterwide=True, standalone=True)
    running = asyncio.ensure_future(  # a thread: kopf cancels every task of its loop when it ends
        asyncio.to_thread(run, ready_flag=ready, stop_flag=stop)
    )
    await asyncio.to_thread(ready.wait, 20)
    yield
    stop.set()
    await asyncio.wait_for(running, 20)


def deployment(**labels: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "web", "image": "web:1"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web", "labels": labels}, "spec": spec}


async def available(cluster: Cluster, count: int) -> None:
    async with asyncio.timeout(20):
        async for event in cluster.client().watch(DEPLOYMENTS, "default"):
            if event.object.get("status", {}).get("availableReplicas") == count:
                return


async def reasons(cluster: Cluster) -> set[str]:
    return {event["reason"] for event in (await cluster.client().list(EVENTS, "default")).items}


@pytest.mark.asyncio
@pytest.mark.usefixtures("operator")
async def test_critical_deployments_get_a_second_pod(fork: Cluster) -> None:
    await fork.client().create(DEPLOYMENTS, deployment(tier="critical"), "default")
    await available(fork, 2)


@pytest.mark.asyncio
@pytest.mark.usefixtures("operator")
async def test_others_do_not(fork: Cluster) -> None:
    await fork.client().create(DEPLOYMENTS, deployment(tier="casual"), "default")
    await available(fork, 1)
    await asyncio.sleep(0.5)
    web = await fork.client().get(DEPLOYMENTS, "web", "default")
    assert (web["spec"]["replicas"], web["metadata"].get("finalizers")) == (1, None)


@pytest.mark.asyncio
@pytest.mark.usefixtures("operator")
async def test_their_end_is_recorded(fork: Cluster) -> None:
    client = fork.client()
    await client.create(DEPLOYMENTS, deployment(tier="critical"), "default")
    await available(fork, 2)
    await client.delete(DEPLOYMENTS, "web", "default")
    async with asyncio.timeout(20):
        async for event in client.watch(DEPLOYMENTS, "default"):
            if event.type == "DELETED":
                break
        while "CriticalGone" not in await reasons(fork):
            await asyncio.sleep(0.1)
    with pytest.raises(ApiError, match="not found"):
        await client.get(DEPLOYMENTS, "web", "default")
