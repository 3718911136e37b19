# SPDX-License-Identifier: Apache-2.0
"""TaintToleration: taints a pod does not tolerate keep it away; PreferNoSchedule ones cost score."""

from collections.abc import Collection

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.taints import HARD, is_tolerated
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Normalize, Plugin, Scores


class TaintToleration(Plugin):
    reason = "node(s) had untolerated taint(s)"
    weight = 3
    normalize: Normalize = "reverse"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        return _untolerated(nodes, pod, HARD)[rows] < 1

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        counts = _untolerated(nodes, pod, ("PreferNoSchedule",))[rows]
        return counts if counts.any() else None


def _untolerated(nodes: NodeColumns, pod: PodInfo, effects: Collection[str]) -> Scores:
    """How many of its node's taints the pod does not tolerate, by row."""
    tolerations = pod.template.tolerations

    def rule(node: Object) -> int:
        taints = (node.get("spec") or {}).get("taints") or ()
        return sum(
            one["effect"] in effects and not is_tolerated(tolerations, one) for one in taints
        )

    return nodes.ruled(orjson.dumps((effects, tolerations)), rule)
