# SPDX-License-Identifier: Apache-2.0
"""The plugin seam: a plugin looks at all nodes at once."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.podinfo import PodInfo

Mask = NDArray[np.bool_]
Scores = NDArray[np.int64]
Normalize = Literal["", "max", "reverse"]
"""How raw scores become 0..100: not at all; times 100 over the largest; 100 minus that."""

MAX_SCORE = 100


class Plugin:
    """One rule; a plugin overrides what it has an opinion on, and is called as its class.

    Columns and results are indexed by node row; `rows` selects which rows to answer. `dynamic`: the
    answer for a row changes when a pod is placed there (resources, ports); other plugins are asked
    once for all pods of one template. `reason`: why it refuses a node, if it is always the same.
    """

    name: str
    reason = ""
    weight = 0
    dynamic = False
    normalize: Normalize = ""

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__

    def filter(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Mask | None:
        """Which of `rows` may take the pod; None: all of them."""
        return None

    def reasons(self, nodes: NodeColumns, pod: PodInfo, row: int) -> list[str]:
        """Why `row` was refused, in kube-scheduler's words."""
        return [self.reason]

    def score(self, nodes: NodeColumns, pod: PodInfo, rows: slice) -> Scores | None:
        """Raw scores of `rows`, larger is better; None: no opinion."""
        return None
