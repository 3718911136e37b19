# SPDX-License-Identifier: Apache-2.0
"""Answers that are worked out once: a dict that makes what it lacks."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """`make(key)` for every key asked for; with more than `most` of them all are forgotten."""

    def __init__(self, make: Callable[[K], V], most: int = 10_000) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        value = self[key] = self._make(key)
        return value
