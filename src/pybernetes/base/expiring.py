# SPDX-License-Identifier: Apache-2.0
"""A cache whose values are good for a while."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from pybernetes.base.clock import Clock

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Expiring(Generic[_K, _V]):
    """At most `most` values; the oldest go first, and those that are good no more."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._known: dict[_K, tuple[float, _V]] = {}

    def get(self, key: _K) -> _V | None:
        """The value, if it is still good."""
        known = self._known.get(key)
        return known[1] if known is not None and self._clock.monotonic() < known[0] else None

    def put(self, key: _K, value: _V, seconds: float) -> _V:
        """Remember a value for so many seconds, and return it."""
        known, now = self._known, self._clock.monotonic()
        known.pop(key, None)
        while known and (len(known) >= self._most or next(iter(known.values()))[0] <= now):
            del known[next(iter(known))]
        known[key] = (now + seconds, value)
        return value
