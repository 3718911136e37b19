# SPDX-License-Identifier: Apache-2.0
"""ResourceCache: all objects of one stored resource, in key order, with its recent events.

- Entries and events never change; whoever reads holds what was true at that moment.
- `apply` is called by the feed only, in revision order.
- Every event after `floor` is in `ring`.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry, Event, Fields, Selection
from pybernetes.apiserver.cache.watchers import Watchers
from pybernetes.base.buckets import Buckets
from pybernetes.base.shared import Shared
from pybernetes.storage.types import Change, Record

FRESH = 256  # events whose encoded frames are kept; who is further behind has them encoded again

_MAXIMUM = 16  # indexes a resource may have: selectors on ever new label keys must not grow memory


class Indexes:
    """Inverted indexes, built when a selector first asks for one, then kept:
    ("label" or "field", name) -> value -> keys (a dict used as an ordered set)."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._indexes: dict[tuple[str, str], Buckets[str]] = {}

    def copy(self) -> "Indexes":
        other = Indexes(self._fields)
        other._indexes = {where: index.copy() for where, index in [*self._indexes.items()]}
        return other

    def candidates(
        self, selection: Selection, entries: Mapping[str, Entry]
    ) -> Mapping[str, None] | None:
        """Keys among which the matches are; None where no index helps."""
        if selection.exact is None:
            return None
        what, name, value = selection.exact
        index = self._indexes.get((what, name))
        if index is None:
            if len(self._indexes) >= _MAXIMUM:
                return None
            index = Buckets()
            for entry in entries.values():
                self._add(index, (what, name), entry)
            self._indexes[what, name] = index  # complete: forks may look at once
        return index.get(value)

    def _value(self, where: tuple[str, str], entry: Entry) -> str | None:
        what, name = where
        values = entry.labels() if what == "label" else entry.fields(self._fields)
        return values.get(name)

    def _add(self, index: Buckets[str], where: tuple[str, str], entry: Entry) -> None:
        value = self._value(where, entry)
        if value is not None:
            index.add(value, entry.key)

    def apply(self, event: Event) -> None:
        for where, index in self._indexes.items():
            if event.old is not None:
                value = self._value(where, event.old)
                if value is not None:
                    index.discard(value, event.old.key)
            if event.new is not None:
                self._add(index, where, event.new)


class ResourceCache(Shared):
    """See the module. `fields` gives the kind's selectable fields of a decoded object."""

    _COMMON = ("entries", "keys", "ring", "joins", "indexes")

    def __init__(self, prefix: str, fields: Fields, history: int = 4096) -> None:
        super().__init__()
        self.prefix = prefix
        self.fields = fields
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []  # sorted
        self.ring: deque[Event] = deque()
        self.floor = 0
        self.changed = 0  # revision of the newest change
        self.watchers = Watchers(fields)
        self.indexes = Indexes(fields)
        self.joins: dict[tuple[str, str], tuple[int, bytes]] = {}  # see rest/list.py
        self.listeners: list[Callable[[Event], None]] = []  # called inside the server, per event
        self._history = history

    def load(self, records: Iterable[Record], revision: int) -> None:
        """Start from a listing at `revision`; once started, catch up with it (events included)."""
        if self.changed:
            self._catch_up({record.key: record for record in records}, revision)
            return
        for record in records:
            entry = self._entry(record)
            self.entries[entry.key] = entry
        self.keys = sorted(self.entries)
        self.floor = self.changed = revision

    def share(self, other: "ResourceCache") -> None:
        """Start as a fork of `other` is: entries, events and what was encoded are common to both."""
        super().share(other)
        self.floor, self.changed = other.floor, other.changed

    def _catch_up(self, present: Mapping[str, Record], revision: int) -> None:
        prefix = self.prefix
        gone = [prefix + key for key in self.keys if prefix + key not in present]
        changes = [Change(key, revision, None, None) for key in gone]
        for key, record in present.items():
            entry = self.entries.get(key[len(self.prefix) :])
            if entry is None or entry.revision != record.revision:
                changes.append(Change(key, record.revision, record, None))
        for change in sorted(changes, key=lambda change: change.revision):
            self.apply(change)

    def _entry(self, record: Record) -> Entry:
        tail = codec.tail_of(record.value, record.revision)
        return Entry(record.key[len(self.prefix) :], tail, record.revision)

    def apply(self, change: Change) -> None:
        self._own()
        key = change.key[len(self.prefix) :]
        old = self.entries.get(key)
        if change.record is None:
            if old is None:
                return
            del self.entries[key]
            del self.keys[bisect_left(self.keys, key)]
            event = Event(change.revision, None, old)
        else:
            new = self._entry(change.record)
            self.entries[key] = new
            if old is None:
                insort(self.keys, key)
            event = Event(change.revision, new, old)
        self._publish(event)

    def _publish(self, event: Event) -> None:
        self.changed = event.revision
        self.indexes.apply(event)
        self.ring.append(event)
        if len(self.ring) > FRESH:
            self.ring[-FRESH - 1].frames.clear()
        if len(self.ring) > self._history:
            self.floor = self.ring.popleft().revision
        self.watchers.publish(event)
        for listener in self.listeners:
            listener(event)

    def range(self, namespace: str = "") -> Sequence[str]:
        """The keys of a namespace (all for ""), in order."""
        low, high = self._bounds(namespace, "")
        return self.keys if high - low == len(self.keys) else self.keys[low:high]

    def page(self, namespace: str, start: str, limit: int) -> tuple[list[Entry], int]:
        """At most `limit` entries from key `start` on, and how many come after them."""
        low, high = self._bounds(namespace, start)
        end = min(high, low + limit)
        return [self.entries[key] for key in self.keys[low:end]], max(high - end, 0)

    def _bounds(self, namespace: str, start: str) -> tuple[int, int]:
        low, high = 0, len(self.keys)
        if namespace:
            low = bisect_left(self.keys, namespace + "/")
            high = bisect_left(self.keys, namespace + "0")  # "0" follows "/"
        if start:
            low = max(low, bisect_left(self.keys, start))
        return low, high

    def select(self, namespace: str, selection: Selection) -> list[Entry]:
        """The entries of a namespace that match, in key order."""
        entries = self.entries
        if selection.everything:
            return [entries[key] for key in self.range(namespace)]
        candidates = self.indexes.candidates(selection, entries)
        if candidates is None:
            found = (entries[key] for key in self.range(namespace))
        else:
            prefix = namespace + "/" if namespace else ""
            found = (entries[key] for key in sorted(candidates) if key.startswith(prefix))
        return [entry for entry in found if selection.matches(entry, self.fields)]

    def since(self, revision: int) -> list[Event]:
        """The events after `revision`, which must be >= floor."""
        recent: list[Event] = []
        for event in reversed(self.ring):
            if event.revision <= revision:
                break
            recent.append(event)
        recent.reverse()
        return recent
