# SPDX-License-Identifier: Apache-2.0
"""What the kubelet remembers of one pod, beside spec and runtime state."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container
from pybernetes.kubelet.containerstatus import Waiting

RESET = 600.0  # a container that ran this long starts its back-off anew


@dataclass(slots=True)
class Delay:
    """A container's restart back-off: how long, and since when (wall time)."""

    seconds: float
    updated: float


@dataclass(slots=True)
class Record:
    """One pod. `pod` is the newest version seen; `gone`: the API no longer has it."""

    uid: str
    pod: Object
    gone: bool = False
    admitted: bool = False
    rejected: tuple[str, str] | None = None
    failed: tuple[str, str] | None = None  # (reason, message) of a deadline
    start_time: str = ""
    finished: bool = False  # nothing will be started any more
    cleaned: bool = False  # runtime and disk hold nothing of it but dead containers
    waiting: dict[str, Waiting] = field(default_factory=dict)
    retry: dict[str, float] = field(default_factory=dict)  # name -> monotonic time
    backoff: dict[str, Delay] = field(default_factory=dict)
    volumes: Mapping[str, Path] | None = None
    volumes_at: float = 0.0
    messages: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Object] = field(default_factory=dict)
    sandbox_config: Object | None = None
    # the worker's
    dirty: bool = False
    interrupted: bool = False
    killing: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def ending(self) -> bool:
        """The pod is to be stopped: deleted, rejected after it ran, or finished."""
        return self.gone or bool(self.pod["metadata"].get("deletionTimestamp"))

    def grace(self) -> int:
        """Seconds containers get to stop."""
        metadata = self.pod["metadata"]
        if metadata.get("deletionGracePeriodSeconds") is not None:
            return int(metadata["deletionGracePeriodSeconds"])
        value = self.pod["spec"].get("terminationGracePeriodSeconds")
        return 30 if value is None else int(value)

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
