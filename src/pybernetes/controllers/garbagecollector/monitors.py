# SPDX-License-Identifier: Apache-2.0
"""An informer of the metadata of every resource that can be watched and deleted."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.informer import Informer, Informers
from pybernetes.controllers.garbagecollector.graph import Graph
from pybernetes.controllers.runtime.discovery import Discovery

IGNORED = (("", "events"), ("events.k8s.io", "events"))
_NEEDED = ("delete", "list", "watch")


class Monitors:
    """Feeds a Graph; `follow` makes the set of informers fit what is served."""

    def __init__(self, informers: Informers, graph: Graph) -> None:
        self._informers = informers
        self._graph = graph
        self._running: dict[GVR, Informer] = {}

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._running.values())

    def follow(self, discovery: Discovery) -> None:
        wanted = {
            one.gvr: None
            for one in discovery.resources
            if all(verb in one.verbs for verb in _NEEDED)
            and (one.gvr.group, one.gvr.resource) not in IGNORED
        }
        for gvr in wanted:
            if gvr not in self._running:
                self._start(gvr)
        down = set(discovery.failed)
        for gvr in [gvr for gvr in self._running if gvr not in wanted]:
            if f"{gvr.group}/{gvr.version}" not in down:
                self._stop(gvr)

    def _start(self, gvr: GVR) -> None:
        informer = self._running[gvr] = self._informers.get_metadata(gvr)

        def changed(old: Object | None, new: Object | None) -> None:
            if self._running.get(gvr) is not informer:
                return
            if new is not None:
                self._graph.put(gvr, new)
            elif old is not None:
                self._graph.remove(meta.uid(old))

        informer.on_change(changed)

    def _stop(self, gvr: GVR) -> None:
        """The resource is no longer served (a CRD was deleted): its objects are gone."""
        informer = self._running.pop(gvr)
        if informer.scope.metadata_only:
            self._informers.drop(informer)
        for obj in informer.items():
            self._graph.remove(meta.uid(obj))
