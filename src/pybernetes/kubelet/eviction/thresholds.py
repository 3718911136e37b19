# SPDX-License-Identifier: Apache-2.0
"""When the node runs short: eviction signals, thresholds, and what follows from observing them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pybernetes.kubelet.config import Config
from pybernetes.kubelet.node.plan import amount

ALLOCATABLE_MEMORY = "allocatableMemory.available"
SIGNALS = {  # signal -> (node condition, the resource that runs short)
    "memory.available": ("MemoryPressure", "memory"),
    ALLOCATABLE_MEMORY: ("MemoryPressure", "memory"),
    "nodefs.available": ("DiskPressure", "ephemeral-storage"),
    "nodefs.inodesFree": ("DiskPressure", "inodes"),
    "imagefs.available": ("DiskPressure", "ephemeral-storage"),
    "imagefs.inodesFree": ("DiskPressure", "inodes"),
    "pid.available": ("PIDPressure", "pids"),
}


class Observation(NamedTuple):
    """How much is left, of how much."""

    available: int
    capacity: int


class Threshold(NamedTuple):
    """Met while less than `value` is left."""

    signal: str
    value: str

    @property
    def resource(self) -> str:
        return SIGNALS[self.signal][1]


def parse(config: Config) -> list[Threshold]:
    """The configured thresholds; memory's is the pods' cgroup's, too."""
    found = [Threshold(signal, value) for signal, value in config.eviction_hard.items()]
    memory = [one for one in found if one.signal == "memory.available"]
    return found + [one._replace(signal=ALLOCATABLE_MEMORY) for one in memory]


def met(thresholds: Sequence[Threshold], seen: Mapping[str, Observation]) -> list[Threshold]:
    """Those that are met, most urgent (memory) first."""
    limits = {one: amount(one.value, seen[one.signal].capacity) for one in thresholds}
    found = [one for one in thresholds if seen[one.signal].available < limits[one]]
    return sorted(found, key=lambda one: one.resource != "memory")


@dataclass(slots=True)
class Pressure:
    """Remembers what was seen. `conditions`: node condition -> last observed (monotonic time)."""

    thresholds: Sequence[Threshold]
    transition: float
    conditions: dict[str, float] = field(default_factory=dict)

    def observe(self, seen: Mapping[str, Observation], now: float) -> list[Threshold]:
        """The thresholds to act on now, most urgent first."""
        found = met(self.thresholds, seen)
        for threshold in found:
            self.conditions[SIGNALS[threshold.signal][0]] = now
        for condition, at in list(self.conditions.items()):
            if now - at >= self.transition and at != now:
                del self.conditions[condition]
        return found
