# SPDX-License-Identifier: Apache-2.0
"""Read your own writes: has an informer seen yet what this controller wrote?

A controller that counts its objects in a cache that lags would make too many. Revisions are one
growing number, so a cache that has seen our write's revision has seen the write; its event then
queues the key again. (Upstream counts expectations for this; that needs an event per write.)
"""

from collections.abc import Callable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.base.clock import Clock
from pybernetes.client.informer import Informer

GIVE_UP = 300.0  # seconds (upstream's ExpectationsTimeout)


class Writes:
    """Own writes to the objects of one informer, by the key of the object they were made for."""

    def __init__(self, clock: Clock, informer: Informer, wake: Callable[[str], None]) -> None:
        self._clock = clock
        self._wake = wake
        informer.on_list.append(self._listed)
        self._informer = informer
        self._newest: dict[str, tuple[int, float]] = {}  # key -> revision, when
        self._deleted: dict[str, dict[tuple[str, str], str]] = {}  # key -> object -> uid

    def _listed(self) -> None:
        for key in self._newest:
            self._wake(key)

    def wrote(self, key: str, obj: Object) -> None:
        """Note a create or update by what the server answered."""
        version = meta.resource_version(obj)
        if version.isdigit():
            newest = max(int(version), self._newest.get(key, (0, 0.0))[0])
            self._newest[key] = (newest, self._clock.monotonic())

    def deleted(self, key: str, obj: Object) -> None:
        """Note a delete that the server accepted."""
        place = meta.namespace(obj), meta.name(obj)
        self._deleted.setdefault(key, {})[place] = meta.uid(obj)

    def seen(self, key: str) -> bool:
        """True if the informer shows everything that was noted for `key`."""
        revision, when = self._newest.get(key, (0, 0.0))
        current = self._informer.resource_version
        behind = bool(revision) and current.isdigit() and int(current) < revision
        if behind and self._clock.monotonic() - when < GIVE_UP:
            return False
        self._newest.pop(key, None)
        gone = self._deleted.get(key, {})
        for (namespace, name), uid in list(gone.items()):
            obj = self._informer.find(namespace, name)
            if obj is not None and meta.uid(obj) == uid and not meta.is_deleting(obj):
                return False
            del gone[namespace, name]
        self._deleted.pop(key, None)
        return True

    def forget(self, key: str) -> None:
        self._newest.pop(key, None)
        self._deleted.pop(key, None)
