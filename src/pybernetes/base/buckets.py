# SPDX-License-Identifier: Apache-2.0
"""Buckets: an index, value -> the keys that have it, whose copies share what neither side changes.

- Keys of a bucket are in order of arrival; empty buckets do not stay.
- A copy costs nothing; afterwards each side copies the table of pointers, and a bucket, before it first changes it.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

from pybernetes.base.shared import Shared

K = TypeVar("K")
_NONE: Mapping[K, None] = {}  # type: ignore[valid-type]


class Buckets(Shared, Generic[K]):
    """See the module."""

    _COMMON = ("_keys",)

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[str, dict[K, None]] = {}
        self._mine: dict[str, None] | None = None  # buckets nobody shares; None: all are

    def get(self, value: str) -> Mapping[K, None]:
        """The keys that have `value`; not to be changed."""
        return self._keys.get(value, _NONE)

    def add(self, value: str, key: K) -> None:
        self._changeable(value)[key] = None

    def discard(self, value: str, key: K) -> None:
        if key not in self.get(value):
            return
        keys = self._changeable(value)
        del keys[key]
        if not keys:
            del self._keys[value]

    def _changeable(self, value: str) -> dict[K, None]:
        self._own()
        keys = self._keys.get(value)
        if keys is None or (self._mine is not None and value not in self._mine):
            keys = self._keys[value] = dict(keys or ())
            if self._mine is not None:
                self._mine[value] = None
        return keys

    def copy(self) -> "Buckets[K]":
        other: Buckets[K] = Buckets()
        other.share(self)
        other._mine, self._mine = {}, {}
        return other
