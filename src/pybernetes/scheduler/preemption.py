# SPDX-License-Identifier: Apache-2.0
"""Preemption: which pods leave so that a more important one finds room (kube-scheduler's DefaultPreemption). Pure.

Only nodes that refuse the pod because of what is placed there come into question. All less important pods are
taken off such a node, then let back while the pod still fits, those first that a disruption budget keeps. Of
the nodes the one that loses least is chosen. Pod groups and extenders are not looked at.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pybernetes.apimachinery import meta, selectors, timestamps
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.decision import Decision, Room, summary
from pybernetes.scheduler.podinfo import PodInfo
from pybernetes.scheduler.types import Mask, Plugin

REASON = "PreemptionByScheduler"  # of the victims' DisruptionTarget condition
_ENOUGH, _SHARE = 100, 10  # candidates: at least that many, or a tenth of the nodes
_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_NEVER = "not eligible due to preemptionPolicy=Never."
_WAITING = "not eligible due to a terminating pod on the nominated node."
_Pair = tuple[PodInfo, Object]  # a placed pod and its object


@dataclass(frozen=True, slots=True)
class Preemption:
    """`find` gives a pod's object (namespace, name), `budgets` all PodDisruptionBudgets."""

    nodes: NodeColumns
    plugins: Sequence[Plugin]
    find: Callable[[str, str], Object | None]
    budgets: Callable[[], list[Object]]

    def decide(
        self, refused: Decision, pod: Object, nominated: str, possible: Mask
    ) -> Iterator[Decision | None]:
        """`refused` with what preemption comes to, last; before it None after every node that was looked at.

        The columns are then as they were, and may change before it goes on. `possible`: rows that only placed
        pods keep it from.
        """
        if pod["spec"].get("preemptionPolicy") == "Never":
            yield replace(refused, preemption=_NEVER)
            return
        for name, amount in refused.pod.template.requests.items():
            possible = possible & (amount <= self.nodes.allocatable[self.nodes.resource(name)])
        names = [self.nodes.name(int(row)) for row in np.flatnonzero(possible)]
        lower = self.nodes.less_important(refused.pod.priority)
        if nominated in names and any(map(_leaves, self._pairs(nominated, lower))):
            yield replace(refused, preemption=_WAITING)
            return
        reasons = Counter({_NOT_HELPFUL: refused.evaluated - len(names)})
        reasons[_NO_VICTIMS] = sum(name not in lower for name in names)
        rooms: list[Room] = []
        budgets = self.budgets() if lower else []
        for name in (name for name in names if name in lower):
            found = self._room(name, refused.pod, self._pairs(name, lower), budgets)
            if isinstance(found, Room):
                rooms.append(found)
            reasons.update(found if isinstance(found, list) else ())
            enough = len(rooms) >= max(_ENOUGH, len(names) // _SHARE)
            if enough and not all(room.violations for room in rooms):
                break
            yield None
        yield _chosen(refused, rooms, reasons)

    def _room(
        self, name: str, pod: PodInfo, placed: list[_Pair], budgets: Sequence[Object]
    ) -> Room | list[str]:
        """The fewest that must leave; or why it does not fit even without all of them."""
        row = self.nodes.rows.get(name)
        if row is None or not placed:
            return [_NO_VICTIMS]
        placed.sort(key=_importance)
        keeps = kept_by_budgets([obj for _, obj in placed], budgets)
        kept = {info.uid for (info, _), keep in zip(placed, keeps, strict=True) if keep}
        leaving: list[_Pair] = []
        for info, _ in placed:
            self.nodes.unplace(info.uid)
        refusal = self._refusal(row, pod)
        for pair in sorted(placed, key=lambda pair: pair[0].uid not in kept):
            self.nodes.place(pair[0], name)
            if not refusal and self._refusal(row, pod):
                self.nodes.unplace(pair[0].uid)
                leaving.append(pair)
        for info, _ in leaving:
            self.nodes.place(info, name)
        victims = tuple(obj for _, obj in sorted(leaving, key=_importance))
        return refusal or Room(name, victims, sum(info.uid in kept for info, _ in leaving))

    def _refusal(self, row: int, pod: PodInfo) -> list[str]:
        """Why a node refuses the pod as it is now."""
        for plugin in self.plugins:
            if plugin.dynamic:
                mask = plugin.filter(self.nodes, pod, slice(row, row + 1))
                if mask is not None and not mask[0]:
                    return plugin.reasons(self.nodes, pod, row)
        return []

    def _pairs(self, node: str, lower: Mapping[str, list[PodInfo]]) -> list[_Pair]:
        """Those of a node with their objects; without those that are gone."""
        here = [info for info in lower.get(node, ()) if self.nodes.placed_on(info.uid, node)]
        found = ((info, self.find(info.namespace, info.name)) for info in here)
        return [(info, obj) for info, obj in found if obj and meta.uid(obj) == info.uid]


def _chosen(refused: Decision, rooms: Sequence[Room], reasons: Mapping[str, int]) -> Decision:
    if not rooms:
        return replace(refused, preemption=summary(refused.evaluated, reasons), nominated="")
    room = min(rooms, key=_loss)
    end = f"on node {room.node}, preempting {len(room.victims)} victims"
    text = f"found a potential placement for pod {end}"
    return replace(refused, preemption=text, room=room, nominated=room.node)


def kept_by_budgets(pods: Sequence[Object], budgets: Sequence[Object]) -> list[bool]:
    """For each pod, whether its leaving (after those before it) breaks a PodDisruptionBudget."""
    left = [(budget.get("status") or {}).get("disruptionsAllowed", 0) for budget in budgets]
    chosen = [selectors.from_label_selector(budget["spec"].get("selector")) for budget in budgets]

    def kept(pod: Object) -> bool:
        labels = meta.labels(pod)
        for index, (budget, selector) in enumerate(zip(budgets, chosen, strict=True)):
            known = (budget.get("status") or {}).get("disruptedPods") or {}
            ours = meta.namespace(budget) == meta.namespace(pod) and meta.name(pod) not in known
            if ours and labels and not selector.empty and selector.matches(labels):
                left[index] -= 1
                if left[index] < 0:
                    return True
        return False

    return [kept(pod) for pod in pods]


def _loss(room: Room) -> tuple[int, int, int, int, float]:
    """The smaller, the better: upstream's rules, each deciding where those before it do not."""
    ranks = [(pod["spec"].get("priority", 0), -_start(pod)) for pod in room.victims]
    highest, latest = max(ranks)
    total = sum(priority + 2**31 for priority, _ in ranks)  # each counts, negative ones too
    return room.violations, highest, total, len(ranks), latest


def _importance(pair: _Pair) -> tuple[int, float]:
    """Sorts the most important first: the older of equals."""
    return -pair[0].priority, _start(pair[1])


def _start(pod: Object) -> float:
    """Unix seconds; infinite before it starts."""
    text = (pod.get("status") or {}).get("startTime")
    return timestamps.parse(text).timestamp() if text else math.inf


def _leaves(pair: _Pair) -> bool:
    """Whether a pod is on its way out because of a preemption."""
    target = conditions.first_true(pair[1], "DisruptionTarget") or {}
    return target.get("reason") == REASON and meta.is_deleting(pair[1])
