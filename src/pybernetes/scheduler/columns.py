# SPDX-License-Identifier: Apache-2.0
"""NodeColumns: the cluster's nodes as NumPy columns, one row a node.

- A node's row never moves while the node exists; freed rows are reused.
- `requested` counts every pod placed on the node: bound, or assumed by us until its binding is
  seen. A pod is counted once, by UID.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pybernetes.apimachinery.quantity import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod import hostports
from pybernetes.scheduler.podinfo import PodInfo

CPU, MEMORY, STORAGE, PODS = 0, 1, 2, 3
BASE_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")
RowRule = Callable[[Object], int]
_T = TypeVar("_T", np.int64, np.bool_)


class NodeColumns:
    """All nodes, and what runs on them."""

    def __init__(self, capacity: int = 64) -> None:
        self.rows: dict[str, int] = {}
        self.objects: list[Object | None] = [None] * capacity
        self.resources = {name: index for index, name in enumerate(BASE_RESOURCES)}
        self.allocatable = np.zeros((len(BASE_RESOURCES), capacity), np.int64)
        self.requested = np.zeros((len(BASE_RESOURCES), capacity), np.int64)
        self.scored = np.zeros((2, capacity), np.int64)  # requested CPU, memory; defaults assumed
        self.valid = np.zeros(capacity, np.bool_)
        self.ports: dict[int, dict[hostports.HostPort, int]] = {}
        self._free = list(range(capacity - 1, -1, -1))
        self._placed: dict[str, tuple[int, str, PodInfo]] = {}  # by pod UID: row, node
        self._priorities: Counter[int] = Counter()  # of the placed pods
        self._homeless: dict[str, dict[str, PodInfo]] = {}  # pods whose node is not known (yet)
        self._rules: dict[bytes, tuple[RowRule, NDArray[np.int64]]] = {}

    def name(self, row: int) -> str:
        node = self.objects[row]
        return str(node["metadata"]["name"]) if node else ""

    def upsert(self, node: Object) -> None:
        """Take over a node's spec, labels and allocatable."""
        name = node["metadata"]["name"]
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = self._new_row()
        self.objects[row] = node
        self.valid[row] = True
        self._set_allocatable(row, (node.get("status") or {}).get("allocatable") or {})
        for rule, values in self._rules.values():
            values[row] = rule(node)
        for pod in self._homeless.pop(name, {}).values():
            self.place(pod, name)

    def remove(self, name: str) -> None:
        """Forget a node. Pods on it stay remembered until they are removed themselves."""
        row = self.rows.pop(name, None)
        if row is None:
            return
        for pod in [pod for at, _, pod in self._placed.values() if at == row]:
            self.place(pod, name)  # on a node that is not known
        self.objects[row] = None
        self.valid[row] = False
        for column in (self.allocatable, self.requested, self.scored):
            column[:, row] = 0
        self.ports.pop(row, None)
        self._free.append(row)

    def place(self, pod: PodInfo, node: str) -> None:
        """Count `pod` on `node`; does nothing if it is counted there already."""
        placed = self._placed.get(pod.uid)
        if placed is not None:
            if self.rows.get(node) == placed[0] and placed[2].template is pod.template:
                return
            self.unplace(pod.uid)
        row = self.rows.get(node)
        if row is None:
            self._homeless.setdefault(node, {})[pod.uid] = pod
            return
        self._placed[pod.uid] = (row, node, pod)
        self._count(row, pod, 1)

    def placed_on(self, uid: str, node: str) -> bool:
        """Whether the pod is counted on that node already."""
        placed = self._placed.get(uid)
        return placed is not None and placed[1] == node

    def unplace(self, uid: str) -> bool:
        """Stop counting a pod; True if it was counted."""
        placed = self._placed.pop(uid, None)
        if placed is None:
            return any(pods.pop(uid, None) for pods in self._homeless.values())
        self._count(placed[0], placed[2], -1)
        return True

    def less_important(self, priority: int) -> dict[str, list[PodInfo]]:
        """The placed pods of a lower priority, by node."""
        found: dict[str, list[PodInfo]] = {}
        if min(self._priorities, default=priority) < priority:
            for _, node, pod in self._placed.values():
                if pod.priority < priority:
                    found.setdefault(node, []).append(pod)
        return found

    def ruled(self, key: bytes, rule: RowRule) -> NDArray[np.int64]:
        """`rule(node)` for every row, kept up to date as nodes change. `key` names the rule."""
        known = self._rules.get(key)
        if known is None:
            if len(self._rules) >= 256:
                self._rules.clear()
            values = np.zeros(len(self.objects), np.int64)
            for row, node in enumerate(self.objects):
                if node is not None:
                    values[row] = rule(node)
            known = self._rules[key] = (rule, values)
        return known[1]

    def resource(self, name: str) -> int:
        """The index of a resource's row in `allocatable` and `requested`."""
        index = self.resources.get(name)
        if index is None:
            index = self.resources[name] = len(self.resources)
            self.allocatable = _with_row(self.allocatable)
            self.requested = _with_row(self.requested)
        return index

    def _count(self, row: int, pod: PodInfo, sign: int) -> None:
        template = pod.template
        self._priorities[pod.priority] += sign
        if not self._priorities[pod.priority]:
            del self._priorities[pod.priority]
        self.requested[PODS, row] += sign
        for name, amount in template.requests.items():
            index = self.resource(name)
            self.requested[index, row] += sign * amount
        self.scored[0, row] += sign * template.scored_cpu
        self.scored[1, row] += sign * template.scored_memory
        if template.host_ports:
            ports = self.ports.setdefault(row, {})
            for port in template.host_ports:
                ports[port] = ports.get(port, 0) + sign
                if ports[port] <= 0:
                    del ports[port]

    def _set_allocatable(self, row: int, allocatable: Object) -> None:
        self.allocatable[:, row] = 0
        for name, text in allocatable.items():
            quantity = parse(str(text))
            value = quantity.to_milli() if name == "cpu" else quantity.to_int()
            index = self.resource(name)  # may replace the columns: before they are indexed
            self.allocatable[index, row] = value

    def _new_row(self) -> int:
        if not self._free:
            self._grow()
        return self._free.pop()

    def _grow(self) -> None:
        size = len(self.objects)
        self._free.extend(range(2 * size - 1, size - 1, -1))
        self.objects.extend([None] * size)
        self.allocatable = _doubled(self.allocatable)
        self.requested = _doubled(self.requested)
        self.scored = _doubled(self.scored)
        self.valid = _doubled(self.valid)
        self._rules = {key: (rule, _doubled(values)) for key, (rule, values) in self._rules.items()}


def _doubled(columns: NDArray[_T]) -> NDArray[_T]:
    return np.concatenate([columns, np.zeros_like(columns)], axis=-1)


def _with_row(columns: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([columns, np.zeros((1, columns.shape[1]), np.int64)])
