# SPDX-License-Identifier: Apache-2.0
"""What the kubelet remembers of one pod, beside spec and runtime state."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container

RESET = 600.0  # a container that ran this long starts its back-off anew


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not start (upstream's reason and message)."""

    reason: str
    message: str = ""


RESETTING = Waiting(
    "RestartingAllContainers", "The container is removed because RestartAllContainers in place"
)


class StartError(Exception):
    """A container did not start; `waiting` says why, `retry` (seconds) when to try again."""

    def __init__(self, waiting: Waiting, retry: float = 10.0) -> None:
        super().__init__(waiting.message)
        self.waiting = waiting
        self.retry = retry


class MountError(Exception):
    """A volume cannot be set up; the text goes into the FailedMount event."""


@dataclass(slots=True)
class Delay:
    """A container's restart back-off: how long, and since when (wall time)."""

    seconds: float
    updated: float


@dataclass(slots=True)
class Record:
    """One pod. `wanted` is the newest version seen; `pod` is it with the resources it was given.

    gone: the API no longer has it. allocated: resources it was given, by container, "" for the
    pod's own; actuated (`resources`): what runs with them. conditions: more of them, by type.
    """

    uid: str
    pod: Object
    wanted: Object = field(default_factory=dict)
    allocated: dict[str, Object] = field(default_factory=dict)
    conditions: dict[str, Object] = field(default_factory=dict)
    most_grace: int | None = None  # of an eviction or a shutdown
    gone: bool = False
    admitted: bool = False
    rejected: tuple[str, str] | None = None
    failed: tuple[str, str] | None = None  # (reason, message) of a deadline or an eviction
    start_time: str = ""
    finished: bool = False  # nothing will be started any more
    cleaned: bool = False  # runtime and disk hold nothing of it but dead containers
    waiting: dict[str, Waiting] = field(default_factory=dict)  # why a last start failed
    retry: dict[str, float] = field(default_factory=dict)  # name -> monotonic time
    backoff: dict[str, Delay] = field(default_factory=dict)
    volumes: Mapping[str, Path] | None = None
    volumes_at: float = 0.0
    attempts: dict[str, int] = field(default_factory=dict)  # of containers we have removed
    messages: dict[str, str] = field(default_factory=dict)  # termination messages by id
    resources: dict[str, Object] = field(default_factory=dict)
    # the worker's
    over: asyncio.Event | None = None  # set once nothing of it runs any more
    dirty: bool = False
    at_work: bool = False  # `task` has begun: cancelled, it ends its turn and takes another
    interrupted: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def starts_nothing(self) -> bool:
        """Nothing will be started any more."""
        return self.finished or self.ending

    @property
    def ending(self) -> bool:
        """The pod is to be stopped: it is deleted, or nobody's."""
        return self.gone or bool(self.pod["metadata"].get("deletionTimestamp"))

    def grace(self) -> int:
        """Seconds containers get to stop."""
        value = self.pod["metadata"].get("deletionGracePeriodSeconds")
        if value is None:
            value = self.pod["spec"].get("terminationGracePeriodSeconds")
        grace = 30 if value is None else int(value)
        return grace if self.most_grace is None else min(grace, self.most_grace)

    def kept(self) -> Object:
        """What has to outlive the kubelet, as JSON."""
        delays = {name: [delay.seconds, delay.updated] for name, delay in self.backoff.items()}
        return {
            "allocated": self.allocated,
            "actuated": dict(self.resources),
            "startTime": self.start_time,
            "backoff": delays,
        }

    def restore(self, kept: Object) -> None:
        """From what `kept` gave once."""
        self.allocated, self.resources = kept["allocated"], kept["actuated"]
        self.start_time = self.start_time or kept["startTime"]
        self.backoff = {name: Delay(*delay) for name, delay in kept["backoff"].items()}

    def note(self, type_: str, reason: str, message: str) -> bool:
        """Say that a condition is true; whether that is new."""
        before = self.conditions.get(type_)
        self.conditions[type_] = condition(self.wanted, type_, (True, reason, message))
        return before != self.conditions[type_]

    def backoff_left(self, name: str, dead: Container, now: float) -> float:
        """Seconds until `name`, dead since `dead.finished_at`, may start again. `now`: wall time."""
        delay = self.backoff.get(name)
        if delay is None or now - delay.updated > RESET:
            return 0.0
        return max(0.0, dead.finished_at / 1e9 + delay.seconds - now)

    def count_restart(self, name: str, now: float, limits: tuple[float, float]) -> None:
        """`name` starts again: the next time it waits longer."""
        initial, maximum = limits
        delay = self.backoff.get(name)
        if delay is None or now - delay.updated > RESET:
            self.backoff[name] = Delay(initial, now)
        else:
            self.backoff[name] = Delay(min(maximum, delay.seconds * 2), now)


def condition(pod: Object, type_: str, what: tuple[bool, str, str]) -> Object:
    """A condition of the pod without its time; `what`: its status, reason and message."""
    value, reason, message = what
    known: Object = {"type": type_, "status": str(value), "reason": reason, "message": message}
    known["observedGeneration"] = pod.get("metadata", {}).get("generation")
    return {key: text for key, text in known.items() if text}
