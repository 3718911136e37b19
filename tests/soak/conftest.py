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


@pytest.fixture
def share() -> Callable[[float], float]:
    """`share(0.1)`: how many seconds a tenth of the whole time is; less when the time is nearly over."""
    rest = _BEGUN + MINUTES * 60 - time.monotonic()
    return lambda part: max(1.0, min(MINUTES * 60 * part, rest))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[..., None]:
    """Say what was done, past pytest's capture."""

    def say(*what: object) -> None:
        with capsys.disabled():
            print(f"{request.node.name}:", *what, flush=True)

    return say
