# SPDX-License-Identifier: Apache-2.0
"""NodePorts: two pods cannot hold the same host port (address, protocol, number) of a node."""

import numpy as np

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import HostPort, PodInfo
from pybernetes.scheduler.types import Mask, Plugin

_ANY = "0.0.0.0"


class NodePorts(Plugin):
    reason = "node(s) didn't have free ports for the requested pod ports"
    dynamic = True

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        wanted = pod.template.host_ports
        if not wanted or not nodes.ports:
            return None
        mask = np.ones(len(nodes.objects), np.bool_)
        for row, held in nodes.ports.items():
            mask[row] = not any(_clash(one, other) for one in wanted for other in held)
        return mask[rows]


def _clash(one: HostPort, other: HostPort) -> bool:
    same_address = one[0] == other[0] or _ANY in (one[0], other[0])
    return same_address and one[1:] == other[1:]
