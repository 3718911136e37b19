# SPDX-License-Identifier: Apache-2.0
"""NodeResourcesFit: a pod's requests must fit what is left; the emptier a node, the better."""

import numpy as np

from pybernetes.scheduler.columns import CPU, MEMORY, PODS, NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import MAX_SCORE, Mask, Plugin, Scores


class NodeResourcesFit(Plugin):
    weight = 1
    dynamic = True

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        for name in pod.template.requests:
            nodes.resource(name)  # may add a column: before any is read
        fits: Mask = nodes.requested[PODS, rows] + 1 <= nodes.allocatable[PODS, rows]
        for name, amount in pod.template.requests.items():
            index = nodes.resource(name)
            fits &= nodes.requested[index, rows] + amount <= nodes.allocatable[index, rows]
        return fits

    def reasons(self, nodes: NodeColumns, pod: PodInfo, row: int) -> list[str]:
        found = []
        if nodes.requested[PODS, row] + 1 > nodes.allocatable[PODS, row]:
            found.append("Too many pods")
        for name, amount in pod.template.requests.items():
            index = nodes.resource(name)
            if nodes.requested[index, row] + amount > nodes.allocatable[index, row]:
                found.append(f"Insufficient {name}")
        return found

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        """LeastAllocated over CPU and memory, weight 1 each."""
        cpu = _least(nodes, CPU, pod.template.scored_cpu, rows)
        memory = _least(nodes, MEMORY, pod.template.scored_memory, rows)
        weights = (nodes.allocatable[CPU, rows] > 0).astype(np.int64)
        weights += nodes.allocatable[MEMORY, rows] > 0
        result: Scores = (cpu + memory) // np.maximum(weights, 1)
        return result


def _least(nodes: NodeColumns, index: int, amount: int, rows: slice) -> Scores:
    capacity = nodes.allocatable[index, rows]
    left = np.maximum(capacity - nodes.scored[index, rows] - amount, 0)
    result: Scores = left * MAX_SCORE // np.maximum(capacity, 1)
    return result
