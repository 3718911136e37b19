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
    """Met while less than `value` is left. `grace` None: hard. `reclaim`: what more must be freed."""

    signal: str
    value: str
    grace: float | None = None
    reclaim: str = "0"

    @property
    def resource(self) -> str:
        return SIGNALS[self.signal][1]


def parse(config: Config) -> list[Threshold]:
    """The configured thresholds. Raises ValueError in upstream's words."""
    reclaim, soft = config.eviction_minimum_reclaim, config.eviction_soft
    for signal in [*config.eviction_hard, *soft, *reclaim]:
        if signal not in SIGNALS:
            raise ValueError(f"unsupported eviction signal {signal}")
    found = []
    for signal, value in config.eviction_hard.items():
        if value not in ("0%", "100%"):  # never met, says upstream
            found.append(Threshold(signal, value, None, reclaim.get(signal, "0")))
            if signal == "memory.available" and config.enforce_node_allocatable:
                found.append(found[-1]._replace(signal=ALLOCATABLE_MEMORY))
    for signal, value in soft.items():
        grace = config.eviction_soft_grace_period.get(signal)
        if grace is None:
            raise ValueError(
                f"grace period must be specified for the soft eviction threshold {signal}"
            )
        found.append(Threshold(signal, value, grace, reclaim.get(signal, "0")))
    for threshold in found:
        amount(threshold.value, 0)
    return found


def met(
    thresholds: Sequence[Threshold], seen: Mapping[str, Observation], *, reclaimed: bool = False
) -> list[Threshold]:
    """Those that are met; with `reclaimed`, those whose minimum reclaim is not reached yet."""
    found = []
    for threshold in thresholds:
        observed = seen.get(threshold.signal)
        if observed is None:
            continue
        limit = amount(threshold.value, observed.capacity)
        limit += amount(threshold.reclaim, observed.capacity) if reclaimed else 0
        if observed.available < limit:
            found.append(threshold)
    return found


@dataclass(slots=True)
class Pressure:
    """Remembers what was seen. `conditions`: node condition -> last observed (monotonic time)."""

    thresholds: Sequence[Threshold]
    transition: float
    conditions: dict[str, float] = field(default_factory=dict)
    _since: dict[Threshold, float] = field(default_factory=dict)
    _unresolved: list[Threshold] = field(default_factory=list)

    def observe(self, seen: Mapping[str, Observation], now: float) -> list[Threshold]:
        """The thresholds to act on now, most urgent (memory) first."""
        found = met(self.thresholds, seen)
        again = met(self._unresolved, seen, reclaimed=True)
        found += [item for item in again if item not in found]
        self._since = {item: self._since.get(item, now) for item in found}
        for threshold in found:
            self.conditions[SIGNALS[threshold.signal][0]] = now
        for condition, at in list(self.conditions.items()):
            if now - at >= self.transition and at != now:
                del self.conditions[condition]
        due = [item for item, since in self._since.items() if now - since >= (item.grace or 0)]
        self._unresolved = due
        return sorted(due, key=lambda item: item.resource != "memory")
