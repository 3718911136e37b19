# SPDX-License-Identifier: Apache-2.0
"""KeyCache: the keys under a prefix that hold no API objects (allocated node ports)."""

from collections.abc import Iterable

from pybernetes.storage.types import Change, Record


class KeyCache:
    """`keys`: what is there, behind the prefix, with its value."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.keys: dict[str, bytes] = {}

    def load(self, records: Iterable[Record], revision: int) -> None:
        self.keys = {record.key[len(self.prefix) :]: record.value for record in records}

    def share(self, other: "KeyCache") -> None:
        self.keys = other.keys.copy()

    def apply(self, change: Change) -> None:
        key = change.key[len(self.prefix) :]
        if change.record is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = change.record.value
