# SPDX-License-Identifier: Apache-2.0
"""Decides where pods go: filter, score, pick. Pure but for the seeded tie-break.

Pods of one template share a Session: all plugins look at all nodes once; after each placement only
the rule of that one row is asked again.
"""

from collections.abc import Sequence

import numpy as np

from pybernetes.base.random import Random
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.decision import Decision
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import MAX_SCORE, Mask, Plugin, Scores

_ALL = slice(None)


class Session:
    """The state of one template's scheduling over all nodes.

    Valid while nothing but `placed` changes the columns; start a new one after any event.
    """

    def __init__(self, nodes: NodeColumns, pod: PodInfo, plugins: Sequence[Plugin]) -> None:
        self._nodes = nodes
        self._plugins = plugins
        self._pod = pod
        self.possible = self._mask(_ALL, dynamic=False)  # what nothing but placed pods can refuse
        self._feasible = self.possible & self._mask(_ALL, dynamic=True)
        self._raw = [
            (plugin, raw)
            for plugin in plugins
            if plugin.weight and not plugin.dynamic
            if (raw := plugin.score(nodes, pod, _ALL)) is not None
        ]
        self._rate()

    def _rate(self) -> None:
        self._fixed = self._normalized()
        self._total = self._fixed + self._dynamic_score(_ALL)
        self._total[~self._feasible] = -1

    @property
    def feasible(self) -> int:
        return int(np.count_nonzero(self._feasible))

    def pick(self, random: Random, nominated: int | None) -> int | None:
        """The row of a best node, ties broken by `random`; None where no node is feasible.

        `nominated` is taken whatever its score, if it is feasible.
        """
        if nominated is not None and self._feasible[nominated]:
            return nominated
        if not len(self._total):
            return None
        best = self._total.max()
        if best < 0:
            return None
        rows = np.flatnonzero(self._total == best)
        return int(rows[random.below(len(rows))])

    def placed(self, row: int) -> None:
        """A pod of this template was placed on `row`: look at that row again."""
        only = slice(row, row + 1)
        fits = bool(self.possible[row]) and bool(self._mask(only, dynamic=True)[0])
        if not fits:
            self._feasible[row] = False
            self._total[row] = -1
            if self._raw:  # the largest raw score may be gone: normalise anew
                self._rate()
            return
        self._total[row] = self._fixed[row] + self._dynamic_score(only)[0]

    def refusals(self) -> dict[str, tuple[str, list[str]]]:
        """For each refused node the first plugin that refused it, with its reasons."""
        found: dict[str, tuple[str, list[str]]] = {}
        refusing = [
            (plugin, mask)
            for plugin in self._plugins
            if (mask := plugin.filter(self._nodes, self._pod, _ALL)) is not None
        ]
        for name, row in self._nodes.rows.items():
            for plugin, mask in refusing:
                if not mask[row]:
                    found[name] = (plugin.name, plugin.reasons(self._nodes, self._pod, row))
                    break
        return found

    def _mask(self, rows: slice, *, dynamic: bool) -> Mask:
        mask = self._nodes.valid[rows].copy()
        for plugin in self._plugins:
            if plugin.dynamic is dynamic:
                found = plugin.filter(self._nodes, self._pod, rows)
                mask &= True if found is None else found
        return mask

    def _dynamic_score(self, rows: slice) -> Scores:
        total: Scores = np.zeros(len(self._nodes.valid[rows]), np.int64)
        for plugin in self._plugins:
            if plugin.dynamic and plugin.weight:
                raw = plugin.score(self._nodes, self._pod, rows)
                if raw is not None:
                    total += plugin.weight * raw
        return total

    def _normalized(self) -> Scores:
        total: Scores = np.zeros(len(self._feasible), np.int64)
        for plugin, raw in self._raw:
            total += plugin.weight * normalized(raw, self._feasible, plugin.normalize)
        return total


def normalized(raw: Scores, feasible: Mask, how: str) -> Scores:
    """Raw scores as 0..100, relative to the largest among the feasible rows."""
    if not how:
        return raw
    largest = int(raw[feasible].max()) if feasible.any() else 0
    if largest == 0:
        return np.full_like(raw, MAX_SCORE if how == "reverse" else 0)
    scaled: Scores = raw * MAX_SCORE // largest
    return MAX_SCORE - scaled if how == "reverse" else scaled


class Cycle:
    """Places one pod after another, counting each on the columns at once (assumed)."""

    def __init__(self, nodes: NodeColumns, plugins: Sequence[Plugin], random: Random) -> None:
        self._nodes = nodes
        self._plugins = plugins
        self._random = random
        self._session: Session | None = None
        self._key: tuple[object, ...] = ()
        self._version = 0

    def changed(self) -> None:
        """The columns changed other than by our own placing."""
        self._version += 1

    def schedule(self, pod: PodInfo, nominated: str = "") -> Decision:
        """Decide about `pod`; if a node was found the pod is counted there when this returns."""
        session = self._session_of(pod)
        row = session.pick(self._random, self._nodes.rows.get(nominated))
        if row is None:
            return Decision(pod, "", len(self._nodes.rows), 0, refusals=session.refusals())
        node, feasible = self._nodes.name(row), session.feasible
        self._nodes.place(pod, node)
        session.placed(row)
        return Decision(pod, node, len(self._nodes.rows), feasible)

    def possible(self, pod: PodInfo) -> Mask:
        """The rows that only refuse `pod` for what is placed there."""
        return self._session_of(pod).possible

    def _session_of(self, pod: PodInfo) -> Session:
        key = (pod.template, pod.node_name, self._version)
        if self._session is None or self._key != key:
            self._session, self._key = Session(self._nodes, pod, self._plugins), key
        return self._session
