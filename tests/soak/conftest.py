# SPDX-License-Identifier: Apache-2.0
"""The long tests: `make soak` runs them for SOAK_MINUTES (10) and prints what was done.

Without SOAK_MINUTES in the environment nothing is collected here, so `make test` runs none of it.
"""

import os
import time
from collections.abc import Callable

import pytest

MINUTES = float(os.environ.get("SOAK_MINUTES") or 0)
collect_ignore_glob = [] if MINUTES else ["test_*.py"]
_BEGUN = time.monotonic()
_ROWS: list[tuple[str, str, str]] = []


@pytest.fixture
def share() -> Callable[[float], float]:
    """`share(0.1)`: how many seconds a tenth of the whole time is; less when the time is nearly over."""
    rest = _BEGUN + MINUTES * 60 - time.monotonic()
    return lambda part: max(1.0, min(MINUTES * 60 * part, rest))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[..., None]:
    """What was done, for the table at the end."""
    begun = time.monotonic()
    name = request.node.name.removeprefix("test_").replace("_", " ")

    def say(*what: object) -> None:
        _ROWS.append((f"{time.monotonic() - begun:.0f} s", name, " ".join(map(str, what))))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MINUTES:
        width = max((len(name) for _, name, _ in _ROWS), default=0)
        terminalreporter.section("soak")
        for took, name, what in _ROWS:
            terminalreporter.write_line(f"{took:>6}  {name:{width}}  {what}")
        took = time.monotonic() - _BEGUN
        terminalreporter.write_line(f"{took:>4.0f} s  in all, of {MINUTES * 60:.0f} s")
