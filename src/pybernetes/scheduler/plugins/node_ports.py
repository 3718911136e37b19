# SPDX-License-Identifier: Apache-2.0
"""NodePorts: two pods cannot hold the same host port (address, protocol, number) of a node."""

import numpy as np

from pybernetes.apis.core.pod import hostports
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Plugin


class NodePorts(Plugin):
    reason = hostports.CONFLICT
    dynamic = True

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        wanted = pod.template.host_ports
        if not wanted or not nodes.ports:
            return None
        mask = np.ones(len(nodes.objects), np.bool_)
        for row, held in nodes.ports.items():
            mask[row] = not hostports.clash(wanted, held)
        return mask[rows]
