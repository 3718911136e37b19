# SPDX-License-Identifier: Apache-2.0
"""NodeAffinity: spec.nodeSelector and required node affinity filter, preferred affinity scores."""

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.nodeaffinity import preferred_score, required_matches
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Normalize, Plugin, Scores

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class NodeAffinity(Plugin):
    reason = "node(s) didn't match Pod's node affinity/selector"
    weight = 2
    normalize: Normalize = "max"

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        template = pod.template
        if not template.node_selector and not template.node_affinity.get(_REQUIRED):
            return None
        spec = {
            "nodeSelector": template.node_selector,
            "affinity": {"nodeAffinity": template.node_affinity},
        }

        def rule(node: Object) -> int:
            return int(required_matches(spec, node))

        return nodes.ruled(b"required" + template.signature, rule)[rows] > 0

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        template = pod.template
        if not template.node_affinity.get(_PREFERRED):
            return None
        spec = {"affinity": {"nodeAffinity": template.node_affinity}}

        def rule(node: Object) -> int:
            return preferred_score(spec, node)

        return nodes.ruled(b"preferred" + template.signature, rule)[rows]
