# SPDX-License-Identifier: Apache-2.0
"""TaintToleration: taints a pod does not tolerate keep it away; PreferNoSchedule ones cost score."""

from collections.abc import Collection

import numpy as np

from pybernetes.apis.core.taints import tolerates
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Normalize, Plugin, Scores

_HARD = ("NoSchedule", "NoExecute")
_SOFT = ("PreferNoSchedule",)


class TaintToleration(Plugin):
    reason = "node(s) had untolerated taint(s)"
    weight = 3
    normalize: Normalize = "reverse"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        refused = _untolerated(nodes, pod, _HARD)
        if not refused:
            return None
        mask: Mask = ~np.logical_or.reduce([holders[rows] for holders in refused])
        return mask

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        disliked = _untolerated(nodes, pod, _SOFT)
        if not disliked:
            return None
        counts: Scores = np.sum([holders[rows] for holders in disliked], axis=0, dtype=np.int64)
        return counts


def _untolerated(nodes: NodeColumns, pod: PodInfo, effects: Collection[str]) -> list[Mask]:
    return [
        holders
        for (key, value, effect), holders in nodes.taints.items()
        if effect in effects
        for taint in [{"key": key, "value": value, "effect": effect}]
        if not any(tolerates(one, taint) for one in pod.template.tolerations)
    ]
