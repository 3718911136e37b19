# SPDX-License-Identifier: Apache-2.0
"""Tests with real parts: skipped loudly where a part is missing ("needs ..."), but never in CI.

`golden` tests read what upstream publishes inside its Go modules; scripts/ci-tools.sh fetches them.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

MACHINE = ("cmd", "cri", "e2e", "images", "kubelet", "linux", "machine", "network", "proxy")
NEVER_SKIPPED = ("node", "kubectl", "golden")
MODULES = ("kubernetes@v1.37.1", "api@v0.37.1", "apiextensions-apiserver@v0.37.1")


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`make test` has two processes: the rooms that use the machine itself share one, in order."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):  # its loadgroup does nothing with pytest 9
        def _split_scope(self, nodeid: str) -> str:
            room, file = (*nodeid.split("/"), "", "")[1], nodeid.partition("::")[0]
            return "machine" if room in MACHINE else file

    return Rooms(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Golden tests need the module cache."""
    cache = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod") / "k8s.io"
    missing = [name for name in MODULES if not (cache / name).is_dir()]
    if missing and item.get_closest_marker("golden"):
        pytest.skip(f"needs Go modules k8s.io/{', '.join(missing)}: run scripts/ci-tools.sh")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test with real parts, or for want of something, into a failure in CI."""
    report = yield
    marked = any(item.get_closest_marker(name) for name in NEVER_SKIPPED)
    needs = "'Skipped: needs " in str(report.longrepr)
    if report.skipped and (marked or needs) and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {report.longrepr}"
    return report
