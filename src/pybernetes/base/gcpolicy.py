# SPDX-License-Identifier: Apache-2.0
"""The garbage collector's policy of a long-lived process.

A full collection over a big heap of decoded objects stops the loop for hundreds of milliseconds.
So: young collections are rarer than Python's default (most of our garbage dies by reference
count), and what is alive after warm-up is frozen, which takes it out of every later collection.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pybernetes.base.env import Env
from pybernetes.base.metrics import Children, histogram

YOUNG, MIDDLE, OLD = 50_000, 20, 50  # allocations, young collections, middle collections


def tune() -> None:
    """Set the thresholds. Called once, at the start of a process."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)


@contextmanager
def tuned() -> Iterator[None]:
    """`tune` for the length of a block."""
    before = gc.get_threshold()
    tune()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def freeze() -> None:
    """After warm-up (imports done, caches synced): collect once, then leave what lives alone."""
    gc.collect()
    gc.freeze()


def measure(env: Env) -> None:
    """Observe every collection's length in `pybernetes_gc_pause_seconds`."""
    pauses = Children(
        histogram(
            env,
            "pybernetes_gc_pause_seconds",
            "How long a garbage collection stopped the process.",
            ["generation"],
            buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
        )
    )
    started = [0.0]

    def observe(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        if phase == "start":
            started[0] = env.clock.monotonic()
        else:
            pause = env.clock.monotonic() - started[0]
            pauses[str(info["generation"]),].observe(pause)

    gc.callbacks.append(observe)
