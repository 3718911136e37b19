# SPDX-License-Identifier: Apache-2.0
"""Watchers of one resource: each gets the events of its selection, found without asking all.

A watcher that asks for one value of a field (spec.nodeName=X: every kubelet) or for one namespace
stands in the bucket of that value; an event goes to the buckets of its old and new values only.
"""

import asyncio
from collections import deque

from pybernetes.apiserver.cache.entry import Entry, Event, Fields, Selection

Bucket = tuple[str, str]
_ALL: Bucket = ("", "")


class Watcher:
    """One watch: a bounded queue of (type, event). Overflow ends it (upstream does the same)."""

    def __init__(self, namespace: str, selection: Selection, limit: int) -> None:
        self.namespace = namespace
        self.selection = selection
        self.closed = False
        self.after = 0  # what it knows already: from another API server, it may be more than we do
        self.queue: deque[tuple[str, Event]] = deque()
        self._limit = limit
        self._waiter: asyncio.Future[None] | None = None

    def bucket(self) -> Bucket:
        exact = self.selection.exact
        if exact is not None and exact[0] == "field":
            return exact[1], exact[2]
        if self.namespace:
            return "metadata.namespace", self.namespace
        return _ALL

    def offer(self, event: Event, fields: Fields) -> None:
        kind = self.classify(event, fields) if event.revision > self.after else ""
        if kind:
            self.queue.append((kind, event))
            if len(self.queue) > self._limit:
                self.closed = True
            self._wake()

    def classify(self, event: Event, fields: Fields) -> str:
        """ADDED, MODIFIED, DELETED as this watcher sees it, or "" for nothing."""
        now = event.new is not None and self._matches(event.new, fields)
        before = event.old is not None and self._matches(event.old, fields)
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else ""

    def _matches(self, entry: Entry, fields: Fields) -> bool:
        if self.namespace and entry.namespace != self.namespace:
            return False
        return self.selection.everything or self.selection.matches(entry, fields)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return once something is queued, the watcher is closed, or time is up."""
        if self.queue or self.closed:
            return
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = loop.call_later(max(seconds, 0.0), self._wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None


class Watchers:
    """The watchers of one resource, by bucket."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._buckets: dict[Bucket, dict[Watcher, None]] = {}
        self._names: dict[str, int] = {}  # fields that buckets ask about -> number of watchers

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets.values())

    def add(self, watcher: Watcher) -> None:
        bucket = watcher.bucket()
        self._buckets.setdefault(bucket, {})[watcher] = None
        self._names[bucket[0]] = self._names.get(bucket[0], 0) + 1

    def remove(self, watcher: Watcher) -> None:
        bucket = watcher.bucket()
        members = self._buckets.get(bucket)
        if members is None or members.pop(watcher, self) is self:
            return
        if not members:
            del self._buckets[bucket]
        self._names[bucket[0]] -= 1
        if not self._names[bucket[0]]:
            del self._names[bucket[0]]

    def publish(self, event: Event) -> None:
        if not self._buckets:
            return
        for bucket in self._touched(event):
            for watcher in list(self._buckets.get(bucket, ())):
                watcher.offer(event, self._fields)

    def _touched(self, event: Event) -> dict[Bucket, None]:
        touched: dict[Bucket, None] = {}
        for name in self._names:
            if not name:
                touched[_ALL] = None
                continue
            for entry in (event.old, event.new):
                if entry is not None:
                    touched[name, self._value(entry, name)] = None
        return touched

    def _value(self, entry: Entry, name: str) -> str:
        if name == "metadata.namespace":
            return entry.namespace
        if name == "metadata.name":
            return entry.name
        return entry.fields(self._fields).get(name, "")
