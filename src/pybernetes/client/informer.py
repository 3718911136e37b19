# SPDX-License-Identifier: Apache-2.0
"""Informers: local, read-only copies of collections, kept current by watches.

- What is handed out is shared and never changed: a change makes a new object. managedFields are
  left out (an update without them keeps those that are there).
- Callbacks run in the order of the changes, at once, and must not wait; a callback added late is
  first told of everything that is there.
- An object never goes back to an older version of itself, whatever is relisted.
- Informers of one set are shared by (resource, namespace, selectors).
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs
from pybernetes.base.buckets import Buckets
from pybernetes.base.env import Env
from pybernetes.base.shared import Shared
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.frozen import freeze
from pybernetes.client.reflector import Reflector, Scope
from pybernetes.client.types import Client

OnChange = Callable[[Object | None, Object | None], None]
IndexFunction = Callable[[Object], list[str]]
Transform = Callable[[Object], Object]
Key = tuple[str, str]  # namespace, name

BY_NAMESPACE = "namespace"
_log = logs.get("client.informer")


class _Index(NamedTuple):
    function: IndexFunction
    keys: Buckets[Key]


def key_of(obj: Object) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer(Shared):
    """The local copy of one collection. Fed by a Reflector through `replace` and `apply`."""

    _COMMON = ("_objects",)

    def __init__(self, scope: Scope, transform: Transform | None = None) -> None:
        super().__init__()
        self.scope = scope
        self._transform = transform
        self._objects: dict[Key, Object] = {}
        self._indexes: dict[str, _Index] = {}
        self._callbacks: list[OnChange] = []
        self.on_list: list[Callable[[], None]] = []  # called after each complete list
        self._synced = asyncio.Event()
        self.resource_version = ""  # of the last change seen
        self.add_index(BY_NAMESPACE, lambda obj: [meta.namespace(obj)])

    @property
    def synced(self) -> bool:
        """True once the first complete list was seen."""
        return self._synced.is_set()

    def copy(self) -> "Informer":
        """The same collection at the same revision, without callbacks; what is there is shared."""
        other = Informer(self.scope, self._transform)
        other.share(self)
        for name, index in self._indexes.items():
            other._indexes[name] = _Index(index.function, index.keys.copy())
        other.resource_version = self.resource_version
        other._synced.set()
        return other

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def __len__(self) -> int:
        return len(self._objects)

    def items(self) -> list[Object]:
        return list(self._objects.values())

    def find(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Make `by_index(name, ...)` work; adding the same name again changes nothing."""
        if name in self._indexes:
            return
        index = self._indexes[name] = _Index(function, Buckets())
        for key, obj in self._objects.items():
            _reindex(index, key, None, obj)

    def by_index(self, name: str, value: str) -> list[Object]:
        return [self._objects[key] for key in self._indexes[name].keys.get(value)]

    def on_change(self, callback: OnChange) -> None:
        """Call `callback(old, new)`: None, object: added; object, None: deleted."""
        self._callbacks.append(callback)
        for obj in self.items():
            callback(None, obj)

    def replace(self, objects: list[Object], resource_version: str) -> None:
        """What a complete list says: everything else is gone."""
        listed = {key_of(obj): obj for obj in objects}
        for key in [key for key in self._objects if key not in listed]:
            self._set(key, None)
        for key, obj in listed.items():
            self._put(key, obj)
        self.resource_version = resource_version
        self._synced.set()
        for callback in self.on_list:
            callback()

    def apply(self, kind: str, obj: Object) -> None:
        """What one watch event says."""
        if kind == "DELETED":
            self._set(key_of(obj), None)
        elif kind != "BOOKMARK":
            self._put(key_of(obj), obj)
        self.resource_version = meta.resource_version(obj) or self.resource_version

    def _put(self, key: Key, obj: Object) -> None:
        old = self._objects.get(key)
        if old is not None and _is_older(obj, old):
            return
        self._set(key, self._transform(obj) if self._transform else obj)

    def _set(self, key: Key, new: Object | None) -> None:
        old = self._objects.get(key)
        if old is None and new is None:
            return
        self._own()
        for index in self._indexes.values():
            _reindex(index, key, old, new)
        if new is None:
            del self._objects[key]
        else:
            self._objects[key] = new
        if old is not None and new is not None and meta.uid(old) != meta.uid(new):
            self._tell(old, None)  # deleted and made again between two looks
            old = None
        self._tell(old, new)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for callback in self._callbacks:
            try:
                callback(old, new)
            except Exception as error:  # noqa: BLE001 -- one listener's bug must not stop the others
                _log.crash("A callback failed", error, object=new or old)


def _is_older(obj: Object, than: Object) -> bool:
    """True if `obj` is the same version as, or an older one of, the object `than`."""
    if meta.uid(obj) != meta.uid(than):
        return False
    ours, theirs = meta.resource_version(obj), meta.resource_version(than)
    return ours.isdigit() and theirs.isdigit() and int(ours) <= int(theirs)


def _reindex(index: _Index, key: Key, old: Object | None, new: Object | None) -> None:
    """What has not moved keeps its place."""
    had, has = (index.function(obj) if obj is not None else [] for obj in (old, new))
    if had != has:
        for value in had:
            index.keys.discard(value, key)
        for value in has:
            index.keys.add(value, key)


class Informers:
    """A set of shared informers over one client. `frozen`: objects refuse changes (for tests)."""

    def __init__(self, env: Env, client: Client, *, frozen: bool = False) -> None:
        self._env = env
        self._client = client
        self._random = env.random.child("informers")
        self._transform: Transform | None = freeze if frozen else None
        self._informers: dict[Scope, Informer] = {}
        self.asked: dict[Scope, None] = {}  # for: what somebody has noted
        self._known: dict[Scope, Informer] = {}  # what a fork's origin knew; nobody changes them
        self._tasks: dict[Scope, asyncio.Task[None]] = {}
        self._group: TaskGroup | None = None

    def get(
        self, gvr: GVR, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Informer:
        """The informer of a collection; one asked for while `run` runs starts at once."""
        return self._shared(Scope(gvr, namespace, label_selector, field_selector))

    def get_metadata(self, gvr: GVR) -> Informer:
        """An informer of all namespaces whose objects hold only apiVersion, kind and metadata.

        Shares the full informer where there is one already.
        """
        full = Scope(gvr)
        is_there = full in self._informers or full in self._known
        return self._shared(full if is_there else Scope(gvr, metadata_only=True))

    def drop(self, informer: Informer) -> None:
        """Stop an informer (its resource is no longer served)."""
        self._informers.pop(informer.scope, None)
        task = self._tasks.pop(informer.scope, None)
        if task is not None:
            task.cancel()

    def share(self, other: "Informers") -> None:
        """Start as a fork's: an informer that is asked for begins with what its origin's knows now."""
        known = {scope: one.copy() for scope, one in other._informers.items() if one.synced}
        self._known = {**other._known, **known}

    async def run(self) -> None:
        """Keep all informers current until cancelled."""
        async with TaskGroup("informers") as group:
            self._group = group
            try:
                for informer in list(self._informers.values()):
                    self._start(informer)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
                self._tasks.clear()

    async def wait_synced(self) -> None:
        """Until every informer asked for so far has seen its first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    def _shared(self, scope: Scope) -> Informer:
        self.asked[scope] = None
        informer = self._informers.get(scope)
        if informer is None:
            known = self._known.get(scope)
            informer = known.copy() if known is not None else Informer(scope, self._transform)
            self._informers[scope] = informer
            if self._group is not None:
                self._start(informer)
        return informer

    def _start(self, informer: Informer) -> None:
        assert self._group is not None
        reflector = Reflector(self._env, self._client, informer, self._random)
        name = informer.scope.gvr.resource
        self._tasks[informer.scope] = self._group.start(reflector.run(), name)
