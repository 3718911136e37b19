# SPDX-License-Identifier: Apache-2.0
"""Resources: the resource table of a running server. Rows may come while it serves."""

from collections.abc import Iterable, Iterator

from pybernetes.apimachinery.types import GVR
from pybernetes.apis.resource import Resource
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.cache.resource import ResourceCache
from pybernetes.apiserver.serving import Serving


def is_stored(row: Resource) -> bool:
    """Reviews and bindings are only posted; component statuses are only read."""
    return "watch" in row.verbs


class Resources:
    """GVR -> Serving. `generation` grows with every change of the table."""

    def __init__(self, feed: Feed, history: int = 4096) -> None:
        self._feed = feed
        self._history = history
        self._rows: dict[GVR, Serving] = {}
        self._caches: dict[str, ResourceCache] = {}
        self.generation = 0

    def add(self, *rows: Resource) -> None:
        """Serve these rows, instead of older ones of the same name."""
        for row in rows:
            if not is_stored(row):
                self._rows[row.gvr] = Serving(row, None)
                continue
            cache = self._caches.get(row.storage_prefix)
            if cache is None:
                cache = ResourceCache(row.storage_prefix, row.rules.fields, self._history)
                self._caches[row.storage_prefix] = cache
                self._feed.claim(cache)
            self._rows[row.gvr] = Serving(row, cache)
        self.generation += 1

    def find(self, gvr: GVR) -> Serving | None:
        return self._rows.get(gvr)

    def rows(self) -> Iterable[Resource]:
        return [serving.row for serving in self._rows.values()]

    def __iter__(self) -> Iterator[Serving]:
        return iter(list(self._rows.values()))
