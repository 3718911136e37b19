# SPDX-License-Identifier: Apache-2.0
"""Clusters started by the real command line, used through a real kubectl."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import KUBECTL, KUBECTLS, RANGES, Cli, can_run_containers, require, without_root


def _cluster(tmp: Path, *flags: str, prefix: tuple[str, ...] = ()) -> Iterator[Cli]:
    cli = Cli(tmp / "data", prefix)
    cli.pybernetes("up", *flags)
    try:
        yield cli
    finally:
        cli.pybernetes("delete")


@pytest.fixture(scope="session")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A cluster with a hollow node, run without root (in a user namespace when we are root).

    Its kubectl is 1.37's, where there is one; the real cluster's is this machine's.
    """
    require(KUBECTL is not None, "kubectl")
    for cli in _cluster(tmp_path_factory.mktemp("hollow"), "--port", "0", prefix=without_root()):
        yield dataclasses.replace(cli, program=str(KUBECTLS["1.37"] or KUBECTL))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A cluster whose node runs containers."""
    require(KUBECTL is not None, "kubectl")
    require(can_run_containers(), "root, containerd, runc, CNI plugins and nftables")
    yield from _cluster(
        tmp_path_factory.mktemp("real"), "--port", "0", "--node", "containerd", *RANGES
    )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A lab of a control plane and three workers, with the pods of lab-pods.yaml.

    PYBERNETES_E2E_LAB=DIR: the one that runs there already, which stays.
    """
    require(KUBECTLS["1.37"] is not None, "kubectl 1.37: run scripts/ci-tools.sh")
    require(can_run_containers(), "root, containerd, runc, CNI plugins and nftables")
    here = Path(__file__).parent
    if there := os.environ.get("PYBERNETES_E2E_LAB"):
        yield Cli(Path(there), program=str(KUBECTLS["1.37"]))
        return
    for cli in _cluster(tmp_path_factory.mktemp("lab"), "-f", str(here / "lab.yaml")):
        lab = dataclasses.replace(cli, program=str(KUBECTLS["1.37"]))
        lab.kubectl("apply", "-f", str(here / "lab-pods.yaml"))
        lab.wait_right()
        yield lab
