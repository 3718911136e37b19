# SPDX-License-Identifier: Apache-2.0
"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory use the pod brings into balance."""

import numpy as np
from numpy.typing import NDArray

from pybernetes.scheduler.columns import CPU, MEMORY, NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import MAX_SCORE, Plugin, Scores


class NodeResourcesBalancedAllocation(Plugin):
    weight = 1
    dynamic = True

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        """50..100: above 75 where the pod improves the balance, below where it worsens it."""
        cpu = pod.template.requests.get("cpu", 0)
        memory = pod.template.requests.get("memory", 0)
        if not cpu and not memory:
            return None
        change = _balance(nodes, cpu, memory, rows) - _balance(nodes, 0, 0, rows)
        half = MAX_SCORE // 2
        result: Scores = half + (half + change) // 2
        return result


def _balance(nodes: NodeColumns, cpu: int, memory: int, rows: slice) -> Scores:
    """(1 - standard deviation of the used fractions) * 100; of two values it is half their distance."""
    cpu_used, memory_used = _used(nodes, CPU, cpu, rows), _used(nodes, MEMORY, memory, rows)
    both = (nodes.allocatable[CPU, rows] > 0) & (nodes.allocatable[MEMORY, rows] > 0)
    deviation = np.where(both, np.abs(cpu_used - memory_used) / 2, 0.0)
    return ((1 - deviation) * MAX_SCORE).astype(np.int64)


def _used(nodes: NodeColumns, index: int, amount: int, rows: slice) -> NDArray[np.float64]:
    capacity = nodes.allocatable[index, rows]
    return np.minimum((nodes.requested[index, rows] + amount) / np.maximum(capacity, 1), 1.0)
