# SPDX-License-Identifier: Apache-2.0
"""The event log of a run: one line per change of any stored object, the same for the same seed."""

import hashlib

from pybernetes.base.clock import Clock
from pybernetes.storage.types import Store


class EventLog:
    """`run` appends a line per change: virtual time, revision, key, digest of the value."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self.lines: list[str] = []

    async def run(self) -> None:
        """Follow the store until cancelled."""
        watch = self._store.watch("/", self._store.revision)
        try:
            async for batch in watch:
                for change in batch:
                    value = change.record.value if change.record else b"deleted"
                    digest = hashlib.sha256(value).hexdigest()[:16]
                    time = f"{self._clock.monotonic():.6f}"
                    self.lines.append(f"{time} {change.revision} {change.key} {digest}")
        finally:
            watch.close()

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)
