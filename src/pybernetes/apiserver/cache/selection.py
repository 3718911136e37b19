# SPDX-License-Identifier: Apache-2.0
"""Selection: which objects of a resource a list or watch is about (label and field selectors)."""

from dataclasses import dataclass

from pybernetes.apimachinery.selectors import FieldTerm, Selector
from pybernetes.apiserver.cache.entry import Entry, Fields


@dataclass(frozen=True, slots=True)
class Selection:
    """`exact` is a ("label" or "field", name, value) that every match has: for indexes."""

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
