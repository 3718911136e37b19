# SPDX-License-Identifier: Apache-2.0
"""Resources: the resource table of a running server. Rows may come while it serves."""

from collections.abc import Callable, Iterable, Iterator

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.resource import Resource
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.cache.resource import ResourceCache

_Convert = Callable[[Object], Object]


class Serving:
    """A row at run time: with its cache and the way between its versions.

    `cache` is None for virtual resources (reviews), which are never stored."""

    def __init__(self, row: Resource, cache: ResourceCache | None) -> None:
        self.row = row
        self._cache = cache
        self.api_version = row.gvr.api_version
        group = row.storage_group
        version = row.storage_version or row.gvr.version
        self.storage_api_version = f"{group}/{version}" if group else version
        self.stored_here = self.storage_api_version == self.api_version
        self.head = codec.head(self.api_version, row.kind)
        self.storage_head = codec.head(self.storage_api_version, row.kind)
        rules = row.rules.conversions
        pair = rules.get(self.api_version) or rules.get(row.gvr.version)
        self._to: _Convert | None = None
        self._from: _Convert | None = None
        if pair and not self.stored_here:
            self._to, self._from = pair

    @property
    def cache(self) -> ResourceCache:
        assert self._cache is not None, f"{self.row.gvr} is not stored"
        return self._cache

    @property
    def stored(self) -> bool:
        return self._cache is not None

    def key(self, namespace: str, name: str) -> str:
        """The store's key of an object."""
        middle = f"{namespace}/{name}" if self.row.namespaced else name
        return self.row.storage_prefix + middle

    def entry(self, namespace: str, name: str) -> Entry | None:
        return self.cache.entries.get(f"{namespace}/{name}" if self.row.namespaced else name)

    def tail(self, entry: Entry) -> bytes:
        """The object's JSON behind head, in this row's version."""
        if self._from is None:
            return entry.tail
        tail = entry.forms.get(self.api_version)
        if tail is None:
            tail = codec.tail_of_object(self.serve(self.decode(entry)))
            entry.forms[self.api_version] = tail
        return tail

    def decode(self, entry: Entry) -> Object:
        """A private copy in the storage version, with resourceVersion."""
        obj: Object = codec.loads(self.storage_head + entry.tail)
        return obj

    def serve(self, obj: Object) -> Object:
        """`obj` (storage version, may be changed) in this row's version."""
        if self._from is not None:
            obj = self._from(obj)
        obj["apiVersion"] = self.api_version
        return obj

    def store(self, obj: Object) -> Object:
        """`obj` (this row's version, may be changed) in the storage version."""
        if self._to is not None:
            obj = self._to(obj)
        obj["apiVersion"] = self.storage_api_version
        return obj


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
            if "watch" not in row.verbs:  # reviews are only posted, component statuses only read
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
