# SPDX-License-Identifier: Apache-2.0
"""All drivers under the public suites: memory, SQLite, etcd 3.6 and etcd 3.4."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage import drivers
from tests.storage.etcds import Member, three


class TestMemory(drivers.Memory):
    pass


class TestSqlite(drivers.Sqlite):
    pass


class TestEtcd36(drivers.Etcd):
    @pytest.fixture(autouse=True)
    def _member(self, etcd36: Member) -> None:
        self.member = etcd36


class TestEtcd34(drivers.Etcd):
    @pytest.fixture(autouse=True)
    def _member(self, etcd34: Member) -> None:
        self.member = etcd34


class TestThreeEtcds(drivers.Etcds):
    @pytest.fixture(autouse=True)
    def _members(self, tmp_path: Path) -> Iterator[None]:
        self.members = three(tmp_path)
        yield
        for member in self.members:
            member.kill()
