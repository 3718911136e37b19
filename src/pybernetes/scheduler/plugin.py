# SPDX-License-Identifier: Apache-2.0
"""What most plugins have in common: a plugin overrides what it has an opinion on."""

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Normalize, Scores


class PluginDefaults:
    """Refuses nothing, scores nothing, depends on nothing that a placement changes.

    A plugin is called as its class. `reason`: why it refuses a node, if it is always the same.
    """

    name: str
    reason = ""
    weight = 0
    dynamic = False
    normalize: Normalize = ""

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        return None

    def reasons(self, nodes: NodeColumns, pod: PodInfo, row: int) -> list[str]:
        return [self.reason]

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        return None
