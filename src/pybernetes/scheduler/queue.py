# SPDX-License-Identifier: Apache-2.0
"""The scheduling queue: pods that can be tried now, pods in back-off, pods that wait for a change.

- A pod is in one of the three places at most.
- Active pods come out by priority (highest first), then by the time they came in.
- A change of the cluster moves waiting pods on, through their back-off.
Source of behaviour and times: kube-scheduler's PriorityQueue.
"""

import heapq
from dataclasses import dataclass

from pybernetes.base.backoff import Backoff
from pybernetes.base.clock import Clock
from pybernetes.scheduler.podinfo import PodInfo

QUEUES = ("active", "backoff", "unschedulable")  # as the metric calls them


@dataclass(slots=True)
class _Entry:
    pod: PodInfo
    added: float
    place: str = "active"  # one of QUEUES
    since: float = 0.0


class SchedulingQueue:
    """Keyed by pod UID. Times are the clock's monotonic seconds."""

    def __init__(self, clock: Clock, initial: float, maximum: float, flush: float) -> None:
        self._clock = clock
        self._flush = flush
        self._backoff = Backoff(initial, maximum)
        self._entries: dict[str, _Entry] = {}
        self._waiting: dict[str, None] = {}  # uids with place "unschedulable", oldest first
        self._active: list[tuple[int, float, int, str]] = []  # -priority, added, sequence, uid
        self._delayed: list[tuple[float, int, str]] = []  # when, sequence, uid
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._entries)

    def length(self, queue: str) -> int:
        """How many pods are in one of QUEUES."""
        return sum(entry.place == queue for entry in self._entries.values())

    def add(self, pod: PodInfo) -> None:
        """A pod to be tried at once (new, or changed by its user)."""
        known = self._entries.get(pod.uid)
        added = known.added if known else self._clock.monotonic()
        self._entries[pod.uid] = _Entry(pod, added)
        self._waiting.pop(pod.uid, None)
        self._push(pod, added)

    def remove(self, uid: str) -> None:
        self._entries.pop(uid, None)
        self._waiting.pop(uid, None)
        self._backoff.forget(uid)

    def refused(self, pod: PodInfo) -> None:
        """No node would take the pod: wait for the cluster to change."""
        now = self._clock.monotonic()
        self._entries[pod.uid] = _Entry(
            pod, now, "unschedulable", now + self._backoff.next(pod.uid)
        )
        self._waiting[pod.uid] = None

    def failed(self, pod: PodInfo) -> None:
        """Binding failed: try again after a back-off."""
        now = self._clock.monotonic()
        self._entries[pod.uid] = _Entry(pod, now, "backoff")
        self._delay(now + self._backoff.next(pod.uid), pod.uid)

    def cluster_changed(self) -> None:
        """Something that may help happened: waiting pods are tried again once their back-off ends."""
        for uid in self._waiting:
            entry = self._entries[uid]
            entry.place = "backoff"
            self._delay(entry.since, uid)
        self._waiting.clear()

    def pop(self) -> PodInfo | None:
        """The next pod to try, which leaves the queue; None if none is active now."""
        self._due()
        while self._active:
            uid = heapq.heappop(self._active)[3]
            entry = self._entries.get(uid)
            if entry is not None and entry.place == "active":
                del self._entries[uid]
                return entry.pod  # its back-off count stays until `remove`
        return None

    def next_due(self) -> float | None:
        """Seconds until a delayed pod becomes active; None if nothing is delayed."""
        times = [item[0] for item in self._delayed[:1]]
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            times.append(self._entries[oldest].since + self._flush)
        return max(0.0, min(times) - self._clock.monotonic()) if times else None

    def _due(self) -> None:
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            uid = heapq.heappop(self._delayed)[2]
            entry = self._entries.get(uid)
            if entry is not None and entry.place == "backoff":
                self._activate(entry)
        while self._waiting:
            uid = next(iter(self._waiting))
            if self._entries[uid].since + self._flush > now:
                break
            del self._waiting[uid]
            self._activate(self._entries[uid])

    def _activate(self, entry: _Entry) -> None:
        entry.place = "active"
        self._push(entry.pod, entry.added)

    def _push(self, pod: PodInfo, added: float) -> None:
        self._sequence += 1
        heapq.heappush(self._active, (-pod.priority, added, self._sequence, pod.uid))

    def _delay(self, when: float, uid: str) -> None:
        self._sequence += 1
        heapq.heappush(self._delayed, (when, self._sequence, uid))
