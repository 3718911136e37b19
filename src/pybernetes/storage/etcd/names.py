# SPDX-License-Identifier: Apache-2.0
"""The store's keys and revisions, and etcd's.

`offset` is added to etcd's revisions: a store that was moved into an etcd whose revisions are smaller
goes on where it was. It is kept in etcd beside the prefix (`meta`), for every API server alike.
"""

from dataclasses import dataclass
from typing import Any

from pybernetes.storage.types import Change, Record, StoreError


@dataclass(frozen=True, slots=True)
class Names:
    """`root` begins the store's keys, `prefix` (with its last slash) etcd's."""

    root: str
    prefix: str
    offset: int = 0

    @property
    def meta(self) -> bytes:
        """The key that holds the offset; no key of the store."""
        return (self.prefix.rstrip("/") + ".pybernetes").encode()

    def key(self, key: str) -> bytes:
        """etcd's key. Raises StoreError."""
        if not key.startswith(self.root):
            raise StoreError(f"key {key!r} does not begin with {self.root!r}")
        return (self.prefix + key[len(self.root) :]).encode(errors="surrogateescape")

    def span(self, prefix: str, start: str = "") -> tuple[bytes, bytes]:
        """etcd's range (end excluded) of the keys with `prefix`, from `start` on."""
        if self.root.startswith(prefix):
            prefix = self.root
        first = self.key(prefix)
        end = first[:-1] + bytes([first[-1] + 1])
        return (self.key(start) if start > prefix else first), end

    def mine(self, key: bytes) -> str | None:
        """The store's key; None where etcd's is somebody else's."""
        text = key.decode(errors="surrogateescape")
        return self.root + text[len(self.prefix) :] if text.startswith(self.prefix) else None

    def record(self, kv: Any) -> Record:
        """The record of an mvccpb.KeyValue, which is the store's."""
        key = self.mine(kv.key) or ""
        offset = self.offset
        return Record(key, kv.value, kv.mod_revision + offset, kv.create_revision + offset)

    def changes(self, events: Any) -> list[Change]:
        """The store's changes among mvccpb.Events."""
        found = []
        for event in events:
            key = self.mine(event.kv.key)
            if key is None:
                continue
            record = None if event.type else self.record(event.kv)
            previous = self.record(event.prev_kv) if event.prev_kv.key else None
            found.append(Change(key, event.kv.mod_revision + self.offset, record, previous))
        return found
