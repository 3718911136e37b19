# SPDX-License-Identifier: Apache-2.0
"""What all drivers have in common: their watches are fed by a Hub, and every call begins with the same checks."""

import asyncio
from abc import ABC, abstractmethod

from pybernetes.storage.hub import History, Hub, Watcher
from pybernetes.storage.transaction import check_text
from pybernetes.storage.types import Compacted, FutureRevision, StoreError, Unavailable


class Watched(ABC):
    """The base of a `Store`. `_hub` is its, `_closing` the task that closes it."""

    shared = False
    _hub: Hub
    _closing: "asyncio.Task[None] | None" = None

    @property
    def revision(self) -> int:
        return self._hub.revision

    @property
    @abstractmethod
    def floor(self) -> int: ...

    async def current(self) -> int:
        return self._check()

    def _answering(self) -> None:
        """Raises Unavailable where nothing is answered."""
        if self._closing is not None:
            raise closed()

    def _check(self, revision: int = 0, text: str = "") -> int:
        """The revision to read at. `text`: what the keys that are asked for begin with. Raises StoreError."""
        self._answering()
        if revision > self._hub.revision:
            raise FutureRevision(f"revision {revision} is not reached: at {self._hub.revision}")
        return self._kept(revision, text) or self._hub.revision

    def _kept(self, revision: int, text: str = "") -> int:
        if not text.isascii():
            check_text(text)
        if 0 < revision < self.floor:
            raise Compacted(self.floor)
        return revision

    def watch(self, prefix: str, revision: int) -> Watcher:
        """Changes after `revision`: what the driver remembers first, then what the hub is given."""
        try:
            self._check(revision, prefix)
            if revision < self.floor:
                raise Compacted(self.floor)
        except StoreError as error:
            watcher = Watcher(self._hub, prefix, revision, None)
            watcher.fail(error)
            return watcher
        past = self._past(prefix, revision) if revision < self._hub.revision else None
        return self._hub.watch(prefix, revision, past)

    @abstractmethod
    def _past(self, prefix: str, revision: int) -> History:
        """The changes of `prefix` after `revision` up to now."""

    async def close(self) -> None:
        """Goes on if the caller gives up."""
        if self._closing is None:
            closing = self._close()
            self._closing = asyncio.get_running_loop().create_task(closing, name="store/close")
        await asyncio.shield(self._closing)

    @abstractmethod
    async def _close(self) -> None:
        """Called once; then nothing is answered any more."""


def closed() -> Unavailable:
    return Unavailable("the store is closed")
