# SPDX-License-Identifier: Apache-2.0
"""The scheduling queue: order, back-off, and moving on when the cluster changes."""

import pytest

from pybernetes.scheduler.podinfo import PodInfo, Templates
from pybernetes.scheduler.queue import SchedulingQueue

TEMPLATE = (
    Templates()
    .info({"metadata": {"namespace": "d", "name": "t", "uid": "t"}, "spec": {"containers": []}})
    .template
)


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def time(self) -> float:
        return self.at


def pod(name: str, priority: int = 0) -> PodInfo:
    return PodInfo("d", name, name, priority, "", TEMPLATE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> SchedulingQueue:
    return SchedulingQueue(clock, 1.0, 10.0, 300.0)


def names(queue: SchedulingQueue) -> list[str]:
    found = []
    while (one := queue.pop()) is not None:
        found.append(one.name)
    return found


def test_higher_priority_first_then_first_come(queue: SchedulingQueue, clock: Clock) -> None:
    for number, priority in enumerate([0, 5, 0, 5]):
        clock.at = number
        queue.add(pod(f"p{number}", priority))
    assert names(queue) == ["p1", "p3", "p0", "p2"]


def test_a_refused_pod_waits_for_a_change_and_for_its_back_off(
    queue: SchedulingQueue, clock: Clock
) -> None:
    queue.refused(pod("a"))
    assert names(queue) == []
    queue.cluster_changed()
    assert names(queue) == []
    assert queue.next_due() == 1.0
    clock.at = 1.0
    assert names(queue) == ["a"]
    queue.refused(pod("a"))  # the second back-off is twice as long
    queue.cluster_changed()
    assert queue.next_due() == 2.0


def test_a_waiting_pod_is_tried_again_after_five_minutes(
    queue: SchedulingQueue, clock: Clock
) -> None:
    queue.refused(pod("a"))
    clock.at = 1.0 + 300.0
    assert names(queue) == ["a"]


def test_a_removed_pod_never_comes_out(queue: SchedulingQueue, clock: Clock) -> None:
    queue.add(pod("a"))
    queue.failed(pod("b"))
    queue.remove("a")
    queue.remove("b")
    clock.at = 100.0
    assert names(queue) == []
    assert len(queue) == 0
