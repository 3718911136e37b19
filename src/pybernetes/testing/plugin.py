# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin. `pip install pybernetes` is all a test suite needs for these fixtures:

pybernetes_cluster   a running cluster in this process, in memory, with one hollow node
pybernetes_stages    what its containers do: override it to return Stages (docs/hollow.md)
pybernetes_client    its administrator's client

They are asynchronous: the test suite needs pytest-asyncio (or anyio's pytest plugin).
Nothing of Pybernetes is imported before a test asks for one of them.
"""

import contextlib
import importlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

fixtures: ModuleType = pytest
with contextlib.suppress(ImportError):  # its decorator works in its strict mode too
    fixtures = importlib.import_module("pytest_asyncio")

if TYPE_CHECKING:
    from pybernetes.client.types import Client
    from pybernetes.cri.stages import Stages
    from pybernetes.testing.cluster import Cluster


async def _cluster(pybernetes_stages: "Stages | None") -> "AsyncIterator[Cluster]":
    """A fresh cluster for this test."""
    from pybernetes.testing.cluster import Cluster

    async with Cluster(nodes=1, stages=pybernetes_stages) as cluster:
        await cluster.wait_working()
        yield cluster


@pytest.fixture
def pybernetes_stages() -> "Stages | None":
    """None: containers run until they are stopped."""
    return None


pybernetes_cluster = fixtures.fixture(_cluster)


@pytest.fixture
def pybernetes_client(pybernetes_cluster: "Cluster") -> "Client":
    """The administrator's client of this test's cluster."""
    return pybernetes_cluster.client()
