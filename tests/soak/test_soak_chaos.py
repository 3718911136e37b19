# SPDX-License-Identifier: Apache-2.0
"""2,000 seeds of the world that breaks, or as many as a tenth of the time allows."""

import time
from collections.abc import Callable

from tests.simulation import chaos

SEEDS = range(1000, 3000)  # others than `make test` runs


def test_all_is_well_after_chaos(
    share: Callable[[float], float], tell: Callable[..., None]
) -> None:
    count, failures = chaos.many(SEEDS, until=time.monotonic() + share(0.1))
    tell(f"{count} of {len(SEEDS)} seeds, {len(failures)} failed")
    assert failures == []
    assert count
