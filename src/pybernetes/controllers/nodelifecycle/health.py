# SPDX-License-Identifier: Apache-2.0
"""When each node was last heard of, by our own clock: nodes' clocks are never compared with it."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.base.clock import Clock
from pybernetes.controllers.nodelifecycle.plan import ready


class Heartbeats:
    """A renewed lease or a new heartbeat in the Ready condition is a sign of life."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._seen: dict[str, dict[str, str]] = {}  # name -> the last sign by lease, by condition

    def node(self, node: Object) -> None:
        """A node was seen. One that never posted a status is counted from its creation."""
        name, condition = meta.name(node), ready(node)
        if name not in self._heard:
            self._heard[name] = self._clock.monotonic()
            created = node["metadata"].get("creationTimestamp")
            if condition is None and created:
                age = (self._clock.now() - parse(created)).total_seconds()
                self._heard[name] -= max(0.0, age)
        self._note(name, "Ready", (condition or {}).get("lastHeartbeatTime"))

    def lease(self, lease: Object) -> None:
        """A lease was seen; its name is the node's."""
        self._note(meta.name(lease), "Lease", (lease.get("spec") or {}).get("renewTime"))

    def _note(self, name: str, by: str, stamp: str | None) -> None:
        seen = self._seen.setdefault(name, {})
        if stamp and seen.get(by) != stamp:
            seen[by] = stamp
            self._heard[name] = self._clock.monotonic()

    def silent(self, name: str) -> float:
        """Seconds since the last sign of life."""
        return self._clock.monotonic() - self._heard.get(name, self._clock.monotonic())

    def forget(self, name: str) -> None:
        self._heard.pop(name, None)
        self._seen.pop(name, None)
