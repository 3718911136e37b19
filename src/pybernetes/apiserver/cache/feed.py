# SPDX-License-Identifier: Apache-2.0
"""Feed: one watch of the whole store, dispatched to the caches by key prefix.

- After `start`, caches hold everything at `revision`; `run` keeps them going.
- Records that no cache claims are kept, so that a resource added later starts complete.
- `revision` grows only after every cache has applied the changes up to it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from pybernetes.apimachinery.errors import service_unavailable
from pybernetes.base import logs
from pybernetes.storage.types import Change, Compacted, Record, Store, StoreError, Unavailable

ROOT = "/registry/"
log = logs.get("apiserver.cache")


class Claim(Protocol):
    """Whoever keeps the records of a prefix."""

    prefix: str

    def load(self, records: Sequence[Record], revision: int) -> None: ...

    def share(self, other: Any) -> None: ...

    def apply(self, change: Change) -> None: ...


def _at_once(waiting: Awaitable[Sequence[Change]]) -> Sequence[Change]:
    """The result of something that need not wait: history that is in memory."""
    try:
        next(waiting.__await__())
    except StopIteration as done:
        found: Sequence[Change] = done.value
        return found
    raise Unavailable("this store's history is not in memory")


class Feed:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._claims: dict[str, Claim] = {}
        self._unclaimed: dict[str, Record] = {}
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.revision = 0
        self.problem = ""  # why the store's watch broke off, until it works again
        self.refused = ""  # why the store refused the last write

    def claim(self, claim: Claim) -> None:
        """Hand a prefix (with its slashes) to `claim`, with all its records."""
        self._claims[claim.prefix] = claim
        mine = [r for key, r in self._unclaimed.items() if key.startswith(claim.prefix)]
        for record in mine:
            del self._unclaimed[record.key]
        claim.load(mine, self.revision)

    def _owner(self, key: str) -> Claim | None:
        first = key.find("/", len(ROOT)) + 1
        owner = self._claims.get(key[:first])
        if owner is not None:
            return owner
        second = key.find("/", first) + 1
        return self._claims.get(key[:second]) if second else None

    async def start(self) -> None:
        """Read the whole store."""
        page = await self._store.list(ROOT)
        self._unclaimed.clear()
        shares: dict[str, list[Record]] = {prefix: [] for prefix in self._claims}
        for record in page.records:
            owner = self._owner(record.key)
            if owner is None:
                self._unclaimed[record.key] = record
            else:
                shares[owner.prefix].append(record)
        for prefix, records in shares.items():
            self._claims[prefix].load(records, page.revision)
        self._advance(page.revision)

    def share(self, other: "Feed") -> None:
        """Instead of `start`, over a fork of the other's store: nothing is read or encoded."""
        for prefix, claim in self._claims.items():
            claim.share(other._claims[prefix])
        self._unclaimed = other._unclaimed.copy()
        self.revision = other.revision
        watch = self._store.watch(ROOT, self.revision)
        while watch.revision < self._store.revision:  # which the other has still to see
            self._apply(_at_once(anext(aiter(watch))), watch.revision)
        watch.close()

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            try:
                await self._follow()
            except Compacted:
                log.warning("The store was compacted past the cache; reading it again")
                await self.start()
            except StoreError as error:
                self.problem = str(error)
                log.error("The watch of the store broke off", error=str(error))
                await asyncio.sleep(1.0)

    async def _follow(self) -> None:
        watch = self._store.watch(ROOT, self.revision)
        try:
            async for batch in watch:
                self.problem = ""
                self._apply(batch, watch.revision)
        finally:
            watch.close()

    def _apply(self, batch: Sequence[Change], revision: int) -> None:
        for change in batch:
            owner = self._owner(change.key)
            if owner is not None:
                owner.apply(change)
            elif change.record is not None:
                self._unclaimed[change.key] = change.record
            else:
                self._unclaimed.pop(change.key, None)
        last = batch[-1].revision if batch else 0
        self._advance(max(revision, last))

    def _advance(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        if self._waiters:
            ready = [w for w in self._waiters if w[0] <= self.revision]
            self._waiters = [w for w in self._waiters if w[0] > self.revision]
            for _, waiter in ready:
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self, revision: int) -> None:
        """Return once the caches have applied `revision`."""
        if self.revision >= revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((revision, waiter))
        await waiter

    async def wait_fresh(self) -> None:
        """Return once the caches have what was written before this call, by whomever. Raises 503."""
        try:
            revision = await self._store.current()
        except StoreError as error:
            raise service_unavailable(f"the store is unavailable: {error}") from error
        await self.wait(revision)
