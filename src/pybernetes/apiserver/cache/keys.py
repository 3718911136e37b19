# SPDX-License-Identifier: Apache-2.0
"""KeyCache: the keys under a prefix that hold no API objects (allocated node ports)."""

from collections.abc import Iterable

from pybernetes.base.shared import Shared
from pybernetes.storage.types import Change, Record


class KeyCache(Shared):
    """`keys`: what is there, behind the prefix, with its value."""

    _COMMON = ("keys",)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.keys: dict[str, bytes] = {}

    def load(self, records: Iterable[Record], revision: int) -> None:
        self.keys = {record.key[len(self.prefix) :]: record.value for record in records}

    def apply(self, change: Change) -> None:
        self._own()
        key = change.key[len(self.prefix) :]
        if change.record is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = change.record.value
