# SPDX-License-Identifier: Apache-2.0
"""What was decided about a pod, and why. Values."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pybernetes.apimachinery.types import Object
from pybernetes.scheduler.podinfo import PodInfo


@dataclass(frozen=True, slots=True)
class Room:
    """Pods that leave `node` for another, the most important one first.

    `violations`: how many of them a disruption budget would keep.
    """

    node: str
    victims: tuple[Object, ...]
    violations: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a pod and why: `node` is "" where no node would do.

    `refusals` names, for each refused node, the plugin and its reasons. `preemption` says what came of making
    room; `nominated` is the node the pod is to wait for ("": none; None: as before).
    """

    pod: PodInfo
    node: str
    evaluated: int
    feasible: int
    refusals: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    preemption: str = ""
    room: Room | None = None
    nominated: str | None = None

    @property
    def message(self) -> str:
        """The FailedScheduling message, worded and sorted as kube-scheduler does."""
        if not self.evaluated:
            return "no nodes available to schedule pods"
        reasons = (reason for _, reasons in self.refusals.values() for reason in reasons)
        text = summary(self.evaluated, Counter(reasons))
        return f"{text} preemption: {self.preemption}" if self.preemption else text


def summary(nodes: int, reasons: Mapping[str, int]) -> str:
    """Why none of so many nodes would do: each reason with its count, sorted as texts."""
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))
    return f"0/{nodes} nodes are available: {listed}."
