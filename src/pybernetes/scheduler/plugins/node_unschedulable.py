# SPDX-License-Identifier: Apache-2.0
"""NodeUnschedulable: cordoned nodes take only pods that tolerate the cordon's taint."""

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.taints import is_tolerated
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Plugin

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable(Plugin):
    reason = "node(s) were unschedulable"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        if is_tolerated(pod.template.tolerations, _CORDON):
            return None
        return nodes.ruled(b"unschedulable", _is_cordoned)[rows] < 1


def _is_cordoned(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("unschedulable"))
