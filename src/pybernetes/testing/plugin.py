# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin. `pip install pybernetes` is all a test suite needs for these fixtures:

cluster              one running cluster in this process, in memory, for all tests of the session
fork                 this test's own copy of it, made in milliseconds
fork_kubeconfig      the same for plain (not async) tests: a copy in a thread; the path of a kubeconfig for it
pybernetes_options   what `cluster` is made with, by default {"nodes": 1}: override it (session scope)

pybernetes_cluster   a fresh cluster for this test, with one hollow node
pybernetes_stages    what its containers do: override it to return Stages (docs/hollow.md)
pybernetes_client    its administrator's client

All others are asynchronous: the test suite needs pytest-asyncio (or anyio's pytest plugin).
Nothing of Pybernetes is imported before a test asks for one of them.
"""

import contextlib
import importlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

fixtures: ModuleType = pytest
_session: dict[str, Any] = {"scope": "session"}
with contextlib.suppress(ImportError):  # its decorator works in its strict mode too
    fixtures = importlib.import_module("pytest_asyncio")
    _session["loop_scope"] = "session"  # a fork may live on another loop

if TYPE_CHECKING:
    from pybernetes.client.types import Client
    from pybernetes.cri.stages import Stages
    from pybernetes.testing.cluster import Cluster


async def _running(options: dict[str, Any]) -> "AsyncIterator[Cluster]":
    from pybernetes.testing.cluster import Cluster

    async with Cluster(**options) as cluster:
        await cluster.wait_working()
        yield cluster


@pytest.fixture(scope="session")
def pybernetes_options() -> dict[str, Any]:
    """Arguments of pybernetes.testing.cluster.Cluster."""
    return {"nodes": 1}


@fixtures.fixture(**_session)  # type: ignore[untyped-decorator]
async def cluster(pybernetes_options: dict[str, Any]) -> "AsyncIterator[Cluster]":
    """This session's cluster. What is made in it is in every fork that is made later."""
    async for running in _running(pybernetes_options):
        yield running


@fixtures.fixture  # type: ignore[untyped-decorator]
async def fork(cluster: "Cluster") -> "AsyncIterator[Cluster]":
    """This test's own fork of the session's cluster."""
    async with cluster.fork() as copy:
        yield copy


@pytest.fixture
def fork_kubeconfig(cluster: "Cluster") -> "Iterator[Path]":
    """The administrator's kubeconfig of a fork that runs in a thread of its own."""
    from pybernetes.testing.cluster import served

    with served(cluster.fork()) as path:
        yield path


@pytest.fixture
def pybernetes_stages() -> "Stages | None":
    """None: containers run until they are stopped."""
    return None


@fixtures.fixture  # type: ignore[untyped-decorator]
async def pybernetes_cluster(pybernetes_stages: "Stages | None") -> "AsyncIterator[Cluster]":
    """A fresh cluster for this test."""
    async for running in _running({"nodes": 1, "stages": pybernetes_stages}):
        yield running


@pytest.fixture
def pybernetes_client(pybernetes_cluster: "Cluster") -> "Client":
    """The administrator's client of this test's cluster."""
    return pybernetes_cluster.client()
