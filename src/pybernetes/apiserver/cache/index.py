# SPDX-License-Identifier: Apache-2.0
"""Inverted indexes over a resource: built when a selector first asks for one, then kept."""

from collections.abc import Mapping

from pybernetes.apiserver.cache.entry import Entry, Event, Fields, Selection
from pybernetes.base.buckets import Buckets

_MAXIMUM = 16  # indexes a resource may have: selectors on ever new label keys must not grow memory


class Indexes:
    """("label" or "field", name) -> value -> keys (a dict used as an ordered set)."""

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
