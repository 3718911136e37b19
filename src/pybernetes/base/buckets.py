# SPDX-License-Identifier: Apache-2.0
"""Buckets: an index, value -> the keys that have it, whose copies share what neither side changes.

- Keys of a bucket are in order of arrival; empty buckets do not stay.
- A copy costs one dictionary of pointers; afterwards each side copies a bucket before its first change.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
_NONE: Mapping[K, None] = {}  # type: ignore[valid-type]


class Buckets(Generic[K]):
    """See the module."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[K, None]] = {}
        self._own: dict[str, None] | None = None  # buckets nobody shares; None: all are ours

    def get(self, value: str) -> Mapping[K, None]:
        """The keys that have `value`; not to be changed."""
        return self._keys.get(value, _NONE)

    def add(self, value: str, key: K) -> None:
        self._mine(value)[key] = None

    def discard(self, value: str, key: K) -> None:
        if key not in self.get(value):
            return
        keys = self._mine(value)
        del keys[key]
        if not keys:
            del self._keys[value]

    def _mine(self, value: str) -> dict[K, None]:
        keys = self._keys.get(value)
        if keys is None or (self._own is not None and value not in self._own):
            keys = self._keys[value] = dict(keys or ())
            if self._own is not None:
                self._own[value] = None
        return keys

    def copy(self) -> "Buckets[K]":
        other: Buckets[K] = Buckets()
        other._keys = self._keys.copy()
        other._own, self._own = {}, {}
        return other
