# SPDX-License-Identifier: Apache-2.0
"""NodeName: a pod that names its node goes nowhere else."""

import numpy as np

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Plugin


class NodeName(Plugin):
    reason = "node(s) didn't match the requested node name"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        wanted = pod.node_name
        if not wanted:
            return None
        mask = np.zeros(len(nodes.objects), np.bool_)
        row = nodes.rows.get(wanted)
        if row is not None:
            mask[row] = True
        return mask[rows]
