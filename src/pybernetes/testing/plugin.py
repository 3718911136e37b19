# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin. `pip install pybernetes` is all a test suite needs for these fixtures:

pybernetes_cluster   a running cluster in this process, in memory, with one hollow node
pybernetes_client    its administrator's client

Nothing of Pybernetes is imported before a test asks for one of them.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pybernetes.client.types import Client
    from pybernetes.testing.cluster import Cluster


@pytest.fixture
async def pybernetes_cluster() -> "AsyncIterator[Cluster]":
    """A fresh cluster for this test."""
    from pybernetes.testing.cluster import Cluster

    async with Cluster(nodes=1) as cluster:
        yield cluster


@pytest.fixture
def pybernetes_client(pybernetes_cluster: "Cluster") -> "Client":
    """The administrator's client of this test's cluster."""
    return pybernetes_cluster.client()
