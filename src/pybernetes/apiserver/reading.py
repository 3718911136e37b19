# SPDX-License-Identifier: Apache-2.0
"""What authentication, authorization and admission read: the watch cache, never the store.

Objects are in their storage version, shared and read-only. What is asked for often (roles, namespaces,
service accounts) stays decoded; pods, nodes and other numerous kinds do not.
"""

from collections.abc import Callable
from typing import Protocol

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.cache.entry import Entry, Event
from pybernetes.apiserver.resources import Resources, Serving

NAMESPACES = GVR("", "v1", "namespaces")
NODES = GVR("", "v1", "nodes")
PODS = GVR("", "v1", "pods")
SERVICES = GVR("", "v1", "services")
SECRETS = GVR("", "v1", "secrets")
SERVICE_ACCOUNTS = GVR("", "v1", "serviceaccounts")


class Reader(Protocol):
    """Objects from the API server's watch cache. They are shared: copy before changing one."""

    def get(self, gvr: GVR, namespace: str, name: str) -> Object | None:
        """The object, or None. `namespace` is "" for cluster-scoped kinds."""

    def list(self, gvr: GVR, namespace: str) -> list[Object]:
        """All objects of a kind in `namespace` ("": in all)."""


_NUMEROUS = frozenset({"pods", "nodes", "secrets", "configmaps", "events", "endpointslices"})


class CacheReader:
    """Keeps at most one decoded object per entry, dropped with the entry."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._objects: dict[GVR, dict[str, tuple[Entry, Object]]] = {}

    def share(self, other: "CacheReader") -> None:
        """Start with what a fork's origin has decoded."""
        self._objects = {gvr: objects.copy() for gvr, objects in other._objects.items()}

    def get(self, gvr: GVR, namespace: str, name: str) -> Object | None:
        serving = self._resources.find(gvr)
        if serving is None or not serving.stored:
            return None
        entry = serving.entry(namespace, name)
        return None if entry is None else self._decoded(serving, entry)

    def list(self, gvr: GVR, namespace: str) -> list[Object]:
        serving = self._resources.find(gvr)
        if serving is None or not serving.stored:
            return []
        entries = serving.cache.entries
        return [self._decoded(serving, entries[key]) for key in serving.cache.range(namespace)]

    def _decoded(self, serving: Serving, entry: Entry) -> Object:
        gvr = serving.row.gvr
        if gvr.resource in _NUMEROUS:
            return serving.decode(entry)
        objects = self._objects.setdefault(gvr, {})
        kept = objects.get(entry.key)
        if kept is not None and kept[0] is entry:
            return kept[1]
        if len(objects) > 2 * len(serving.cache.entries) + 64:
            objects.clear()
        obj = serving.decode(entry)
        objects[entry.key] = (entry, obj)
        return obj

    def on_change(self, gvr: GVR, listener: Callable[[Object | None, Object | None], None]) -> None:
        """Call `listener(old, new)` after every change of a resource, from now on."""
        serving = self._resources.find(gvr)
        if serving is None:
            return

        def changed(event: Event) -> None:
            old = None if event.old is None else serving.decode(event.old)
            listener(old, None if event.new is None else self._decoded(serving, event.new))

        serving.cache.listeners.append(changed)
