# SPDX-License-Identifier: Apache-2.0
"""NodeUnschedulable: cordoned nodes take only pods that tolerate the cordon's taint."""

from pybernetes.apis.core.taints import tolerates
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Plugin

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable(Plugin):
    reason = "node(s) were unschedulable"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        cordoned = nodes.unschedulable[rows]
        if not cordoned.any():
            return None
        if any(tolerates(toleration, _CORDON) for toleration in pod.template.tolerations):
            return None
        return ~cordoned
