# SPDX-License-Identifier: Apache-2.0
"""Clusters started by the real command line, used through a real kubectl."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import KUBECTL, RANGES, Cli, can_run_containers, require, without_root


def _cluster(tmp: Path, *flags: str, prefix: tuple[str, ...] = ()) -> Iterator[Cli]:
    cli = Cli(tmp / "data", prefix)
    cli.pybernetes("up", "--port", "0", *flags)
    try:
        yield cli
    finally:
        cli.pybernetes("delete")


@pytest.fixture(scope="session")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A cluster with a hollow node, run without root (in a user namespace when we are root)."""
    require(KUBECTL is not None, "kubectl")
    yield from _cluster(tmp_path_factory.mktemp("hollow"), prefix=without_root())


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A cluster whose node runs containers."""
    require(KUBECTL is not None, "kubectl")
    require(can_run_containers(), "root, containerd, runc, CNI plugins and nftables")
    yield from _cluster(tmp_path_factory.mktemp("real"), "--node", "containerd", *RANGES)
