# SPDX-License-Identifier: Apache-2.0
"""Exponential back-off per item, as client-go's flowcontrol.Backoff and its rate limiters do it."""

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds: initial, twice that, ... up to maximum, for each key on its own."""

    initial: float
    maximum: float
    _failures: dict[Hashable, int] = field(default_factory=dict)

    def next(self, key: Hashable) -> float:
        """Count one more failure of `key` and return how long to wait before the next try."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        return min(self.maximum, self.initial * 2.0 ** min(count, 64))

    def failures(self, key: Hashable) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: Hashable) -> None:
        self._failures.pop(key, None)
