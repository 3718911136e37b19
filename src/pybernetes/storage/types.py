# SPDX-License-Identifier: Apache-2.0
"""The store's contract. Drivers: memory, sqlite, etcd. No implementation here.

Guarantees every driver gives (proven by the public suites, pybernetes.testing.stores):
- Revisions: one integer for the whole store, larger after every successful write; the writes of
  one transaction share a revision. The first write of a fresh store has revision 1 or more.
- Linearizable: a write is visible to every read that starts after it returned. Transactions are
  atomic: all or none, and no reader sees a part. An acknowledged write survives a crash of process and
  machine (durable drivers); one that ends with Unavailable, or was cancelled, may have happened or not.
- Watches are ordered (by revision), unique (no change twice), complete (no gap), atomic (the changes of
  one transaction in one batch), resumable (from every revision that is kept; from a compacted one they
  fail with Compacted, they never skip) and bookmarkable (all up to `revision` was delivered).
- Time to live: a key goes when it is over, or a little later, as a change like any other; never before.
- No space (quota or disk): writes raise NoSpace and change nothing; reads, deleting and compaction go on,
  and writes do by themselves once there is room.
- Keys are Unicode text without NUL and surrogates, ordered by code point; values are opaque bytes and
  never change in place.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pybernetes.base.errors import Told


class StoreError(Told):
    """Root of this room's errors.

    StoreError
    ├── Conflict        a check of a transaction failed; nothing was written
    ├── Compacted       the revision asked for is no longer kept
    ├── FutureRevision  the revision asked for is not reached yet
    ├── NoSpace         quota or disk full: writes are refused, reads go on
    └── Unavailable     the store cannot answer (closed, I/O error)
    """


class Conflict(StoreError):
    """A check failed. `index` is the failing operation's position, `current` what is there."""

    def __init__(self, index: int, key: str, current: "Record | None") -> None:
        super().__init__(f"{key}: expected another revision")
        self.index = index
        self.key = key
        self.current = current


class Compacted(StoreError):
    """`floor` is the oldest revision that can still be read."""

    def __init__(self, floor: int) -> None:
        super().__init__(f"compacted up to revision {floor}")
        self.floor = floor


class FutureRevision(StoreError):
    """The revision asked for is larger than the store's."""


class NoSpace(StoreError):
    """Quota or disk full."""


class Unavailable(StoreError):
    """Closed, or an I/O error."""


class Record(NamedTuple):
    """A key's value at one revision. (A tuple: listings make tens of thousands at a time.)"""

    key: str
    value: bytes
    revision: int  # of the write that made this value
    created: int  # revision at which the key was created


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing, in key order, consistent at `revision`."""

    records: Sequence[Record]
    revision: int
    more: bool = False
    remaining: int = 0  # records after this page


@dataclass(frozen=True, slots=True)
class Op:
    """One write of a transaction.

    `expected`: 0 = the key must not exist; n > 0 = its current revision must be n; None = no check.
    `value` None deletes. `ttl` in seconds, 0 = for ever.
    """

    key: str
    value: bytes | None
    expected: int | None = None
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What one write did to one key. `record` None: deleted (at `revision`)."""

    key: str
    revision: int
    record: Record | None
    previous: Record | None


class Watch(Protocol):
    """A running watch: iterate it for batches; `close` ends it."""

    def __aiter__(self) -> AsyncIterator[Sequence[Change]]:
        """Batches in revision order; an empty batch is progress (see `revision`)."""

    @property
    def revision(self) -> int:
        """Everything up to this revision has been delivered."""

    def close(self) -> None:
        """End the iteration."""


class Store(Protocol):
    """An MVCC key-value store with ordered keys.

    `shared`: other processes write here too, so only `current` tells the newest revision.
    """

    shared: bool

    @property
    def revision(self) -> int:
        """The newest revision this process's watches have been fed (the newest of all if not shared)."""

    async def current(self) -> int:
        """A revision that was the newest of all after the call began; `revision` has reached it."""

    async def get(self, key: str, revision: int = 0) -> Record | None:
        """The record of `key`, now or at `revision`. Raises Compacted, FutureRevision."""

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        """Records whose key starts with `prefix`, from key `start` (inclusive) on."""

    async def write(self, ops: Sequence[Op]) -> int:
        """All of `ops` or none, at one new revision, which is returned. Raises Conflict, NoSpace."""

    def watch(self, prefix: str, revision: int) -> Watch:
        """Changes after `revision` (exclusive). Iterating raises Compacted, Unavailable."""

    async def compact(self, revision: int) -> None:
        """Forget history before `revision`; the newest value of each key always stays."""

    @property
    def floor(self) -> int:
        """The oldest revision that can still be read or watched from."""

    async def size(self) -> int:
        """Bytes in use (file size, or the sum of values)."""

    def fork(self) -> "Store":
        """An independent store with the same content and revision. Drivers that cannot raise StoreError."""

    async def snapshot(self, path: str) -> None:
        """A consistent copy in a file at `path`, made while writes go on; it replaces the file when it is whole."""

    async def close(self) -> None:
        """Finish acknowledged writes and release everything. Safe to call twice."""
