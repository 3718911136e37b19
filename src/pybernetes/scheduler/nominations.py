# SPDX-License-Identifier: Apache-2.0
"""Nominations: room that is kept on nodes for pods that wait there for others to leave.

- It counts on the columns as the placed pod would, but neither for the pod itself nor for more important ones.
- A pod that is placed has no nomination any more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo


class Nominations:
    """Keyed by pod UID. `changed` is called when the columns have changed."""

    def __init__(self, nodes: NodeColumns, changed: Callable[[], None]) -> None:
        self._nodes = nodes
        self._changed = changed
        self._known: dict[str, tuple[PodInfo, str]] = {}

    def node_of(self, uid: str) -> str:
        return self._known[uid][1] if uid in self._known else ""

    def set(self, pod: PodInfo, node: str) -> None:
        """Keep room for `pod` on `node` ("": nowhere)."""
        if self._known.pop(pod.uid, None):
            self._nodes.unplace(pod.uid)
        if node:
            self._known[pod.uid] = (pod, node)
            self._nodes.place(pod, node)
        self._changed()

    def drop(self, uid: str) -> None:
        """The pod has been placed, or is gone: what is counted of it is no longer ours."""
        self._known.pop(uid, None)

    def less_important(self, priority: int, node: str) -> list[PodInfo]:
        """The pods that wait for `node` and are not as important."""
        known = self._known.values()
        return [pod for pod, where in known if where == node and pod.priority < priority]

    @contextmanager
    def lifted(self, pod: PodInfo) -> Iterator[None]:
        """The columns as `pod` may take them."""
        aside = [
            (other, node)
            for other, node in self._known.values()
            if other.uid == pod.uid or other.priority < pod.priority
        ]
        for other, _ in aside:
            self._nodes.unplace(other.uid)
        if aside:
            self._changed()
        try:
            yield
        finally:
            for other, node in aside:
                if other.uid in self._known:
                    self._nodes.place(other, node)
            if aside:
                self._changed()
