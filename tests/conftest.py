# SPDX-License-Identifier: Apache-2.0
"""In CI nothing that needs real parts may be skipped: there a skip is a failure."""

import os
from collections.abc import Generator

import pytest

NEVER_SKIPPED = ("node", "kubectl", "golden")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test with real parts into a failure when CI is set."""
    report = yield
    marked = any(item.get_closest_marker(name) for name in NEVER_SKIPPED)
    if report.skipped and marked and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {report.longrepr}"
    return report
