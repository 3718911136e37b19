# SPDX-License-Identifier: Apache-2.0
"""NodeAffinity: spec.nodeSelector and required node affinity filter, preferred affinity scores."""

from functools import partial

from pybernetes.apis.columns import look
from pybernetes.apis.core.nodeaffinity import PREFERRED, preferred_score, required_matches
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Normalize, Plugin, Scores


class NodeAffinity(Plugin):
    reason = "node(s) didn't match Pod's node affinity/selector"
    weight = 2
    normalize: Normalize = "max"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        template = pod.template
        if not template.choice:
            return None
        rule = partial(required_matches, template.choice)
        return nodes.ruled(b"required" + template.signature, rule)[rows] > 0

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        template = pod.template
        if not look(template.choice, "affinity", "nodeAffinity", PREFERRED):
            return None
        rule = partial(preferred_score, template.choice)
        return nodes.ruled(b"preferred" + template.signature, rule)[rows]
