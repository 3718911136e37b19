# SPDX-License-Identifier: Apache-2.0
"""Entry: one object at one revision, as bytes; and Event: one change of it. Both never change."""

from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.apimachinery.selectors import FieldTerm, Selector
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver import codec

Fields = Callable[[Object], dict[str, str]]


class Entry:
    """An object at a revision, in the storage version.

    `tail`: see codec. `forms`: tails and other encodings in other versions, by format key, made
    once. Labels and selectable fields are read from the bytes when first asked for.
    """

    __slots__ = ("_fields", "_labels", "forms", "key", "name", "namespace", "revision", "tail")

    def __init__(self, key: str, tail: bytes, revision: int) -> None:
        self.key = key  # behind the resource's prefix: "namespace/name" or "name"
        self.tail = tail
        self.revision = revision
        self.namespace, _, self.name = key.rpartition("/")
        self.forms: dict[str, bytes] = {}
        self._labels: dict[str, str] | None = None
        self._fields: dict[str, str] | None = None

    def decode(self) -> Object:
        """A private copy, without kind and apiVersion."""
        return codec.decode_tail(self.tail)

    def labels(self) -> dict[str, str]:
        if self._labels is None:
            if b'"labels":{' in self.tail:
                self._labels = self.decode()["metadata"].get("labels") or {}
            else:
                self._labels = {}
        return self._labels

    def fields(self, extra: Fields) -> dict[str, str]:
        """Selectable fields; `extra` gives the kind's own."""
        if self._fields is None:
            self._fields = dict(extra(self.decode()))
            self._fields["metadata.name"] = self.name
            self._fields["metadata.namespace"] = self.namespace
        return self._fields

    def at(self, revision: int) -> "Entry":
        """The same object under another revision (DELETED events carry the deletion's)."""
        other = Entry(self.key, codec.tail_at(self.tail, revision), revision)
        other._labels, other._fields = self._labels, self._fields
        return other


class Event:
    """A change: `new` None is a deletion, `old` None a creation."""

    __slots__ = ("_gone", "frames", "new", "old", "revision")

    def __init__(self, revision: int, new: Entry | None, old: Entry | None) -> None:
        self.revision = revision
        self.new = new
        self.old = old
        self.frames: dict[tuple[str, str], bytes] = {}  # (type, format key) -> encoded watch event
        self._gone: Entry | None = None

    def gone(self) -> Entry:
        """The last state before the object left (the selection), at this event's revision."""
        if self._gone is None:
            assert self.old is not None
            self._gone = self.old.at(self.revision)
        return self._gone


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a list or watch is about (label and field selectors).

    `exact` is a ("label" or "field", name, value) that every match has: for indexes."""

    labels: Selector | None = None
    terms: tuple[FieldTerm, ...] = ()
    exact: tuple[str, str, str] | None = None

    @property
    def everything(self) -> bool:
        return self.labels is None and not self.terms

    def matches(self, entry: Entry, fields: Fields) -> bool:
        if self.terms:
            values = entry.fields(fields)
            for term in self.terms:
                if not term.matches(values):
                    return False
        return self.labels is None or self.labels.matches(entry.labels())


EVERYTHING = Selection()
