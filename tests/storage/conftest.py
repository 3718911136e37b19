# SPDX-License-Identifier: Apache-2.0
"""One etcd of each version for the whole run; every test has a prefix of its own in it."""

from collections.abc import Iterator

import pytest

from tests.storage.etcds import Member


@pytest.fixture(scope="session")
def etcd36(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Member]:
    member = Member(tmp_path_factory.mktemp("etcd36"), "3.6").start()
    yield member
    member.kill()


@pytest.fixture(scope="session")
def etcd34(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Member]:
    member = Member(tmp_path_factory.mktemp("etcd34"), "3.4").start()
    yield member
    member.kill()
