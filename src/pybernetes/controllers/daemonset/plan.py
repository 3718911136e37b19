# SPDX-License-Identifier: Apache-2.0
"""Decides for one DaemonSet: which nodes need a pod, which pods go, and its status. Pure.

Source: upstream's daemon controller (podsShouldBeOnNode, NodeShouldRunDaemonPod, rollingUpdate).
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pybernetes.apimachinery import intstr, meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.nodeaffinity import REQUIRED, required_matches
from pybernetes.apis.core.pod.status import is_finished, is_ready
from pybernetes.apis.core.taints import untolerated
from pybernetes.controllers.runtime.pods import available_in, from_template
from pybernetes.controllers.runtime.resources import taints
from pybernetes.controllers.runtime.revisions import HASH_LABEL

BURST = 250  # pods made or deleted in one go
GENERATION_LABEL = "pod-template-generation"
_NODE = "node.kubernetes.io"
_TOLERATED = (  # what every daemon pod tolerates
    (f"{_NODE}/not-ready", "NoExecute"),
    (f"{_NODE}/unreachable", "NoExecute"),
    (f"{_NODE}/disk-pressure", "NoSchedule"),
    (f"{_NODE}/memory-pressure", "NoSchedule"),
    (f"{_NODE}/pid-pressure", "NoSchedule"),
    (f"{_NODE}/unschedulable", "NoSchedule"),
)
ByNode = Mapping[str, Sequence[Object]]


class View(NamedTuple):
    """What decides. `pods`: by node, oldest first; `hashed`: the template's revision."""

    daemon_set: Object
    nodes: Sequence[Object]
    pods: ByNode
    hashed: str
    now: datetime.datetime

    def is_available(self, pod: Object) -> bool:
        return available_in(self.daemon_set, pod, self.now) == 0

    def is_new(self, pod: Object) -> bool:
        return meta.labels(pod).get(HASH_LABEL) == self.hashed


class Plan(NamedTuple):
    """`create`: names of nodes. `failed`: pods to delete, after a back-off, since they ended."""

    create: list[str]
    delete: list[Object]
    failed: list[Object]


def node_of(pod: Object) -> str:
    """The node a daemon pod is bound to or made for; "" if it is nobody's."""
    bound = pod["spec"].get("nodeName")
    if bound:
        return str(bound)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def by_node(pods: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods of each node, oldest first."""
    found: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=_age):
        found.setdefault(node_of(pod), []).append(pod)
    return found


def _age(pod: Object) -> tuple[bool, str, str]:
    """Scheduled ones before others, then oldest first."""
    created = pod["metadata"].get("creationTimestamp") or ""
    return not pod["spec"].get("nodeName"), created, meta.name(pod)


def tolerations(template: Object) -> list[Object]:
    """The template's, and those every daemon pod has."""
    spec = template.get("spec") or {}
    own = list(spec.get("tolerations") or ())
    pairs = list(_TOLERATED)
    if spec.get("hostNetwork"):
        pairs.append((f"{_NODE}/network-unavailable", "NoSchedule"))
    extra = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in pairs]
    return own + [one for one in extra if one not in own]


def fits(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """(a pod should be made here, one that is here may stay)."""
    template = daemon_set["spec"]["template"]
    spec = template.get("spec") or {}
    if spec.get("nodeName") not in {None, "", meta.name(node)}:
        return False, False
    if not required_matches(spec, node):
        return False, False
    marks, accepted = taints(node), tolerations(template)
    if untolerated(marks, accepted) is None:
        return True, True
    return False, untolerated(marks, accepted, ("NoExecute",)) is None


def new_pod(daemon_set: Object, hashed: str, node: str) -> Object:
    """The pod for a node: the scheduler can put it nowhere else."""
    spec = daemon_set["spec"]
    pod = from_template(daemon_set, spec["template"])
    generation = meta.annotations(daemon_set).get("deprecated.daemonset.template.generation", "")
    labels = {**meta.labels(pod), HASH_LABEL: hashed}
    pod["metadata"]["labels"] = labels | ({GENERATION_LABEL: generation} if generation else {})
    pod["spec"]["tolerations"] = tolerations(spec["template"])
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = dict(pod["spec"].get("affinity") or {})
    on_node = dict(affinity.get("nodeAffinity") or {})
    on_node[REQUIRED] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    pod["spec"]["affinity"] = {**affinity, "nodeAffinity": on_node}
    return pod


def plan_pods(view: View) -> Plan:
    """Pods to make and to remove so that every fitting node has one."""
    plan = Plan([], [], [])
    for node in view.nodes:
        here = view.pods.get(meta.name(node), ())
        should_run, may_stay = fits(view.daemon_set, node)
        if should_run and not here:
            plan.create.append(meta.name(node))
        elif here and not may_stay:
            plan.delete.extend(pod for pod in here if not meta.is_deleting(pod))
        elif here:
            _look_at(view, here, plan)
    return plan


def _look_at(view: View, here: Sequence[Object], plan: Plan) -> None:
    alive = [pod for pod in here if not meta.is_deleting(pod)]
    ended = [pod for pod in alive if is_finished(pod)]
    plan.failed.extend(ended)
    running = [pod for pod in alive if pod not in ended]
    if not _limits(view.daemon_set, 1).surge:
        plan.delete.extend(running[1:])
        return
    new = [pod for pod in running if view.is_new(pod)]
    old = [pod for pod in running if pod not in new]
    plan.delete.extend([*new[1:], *old[1:]])
    if not running and len(here) > len(alive) and not any(map(view.is_new, here)):
        plan.create.append(node_of(here[0]))
    if old and new and (view.is_available(new[0]) or not is_ready(old[0])):
        plan.delete.append(old[0])


class Limits(NamedTuple):
    """How many pods may be missing, or too many, during an update."""

    unavailable: int
    surge: int


def _limits(daemon_set: Object, desired: int) -> Limits:
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type") != "RollingUpdate":
        return Limits(0, 0)
    surge = intstr.scaled(rolling.get("maxSurge") or 0, desired, round_up=True)
    unavailable = intstr.scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return Limits(unavailable or int(not surge), surge)


def plan_update(view: View) -> tuple[list[Object], list[str]]:
    """(old pods to delete, nodes that get a new pod beside the old) for the next step."""
    fitting = [meta.name(node) for node in view.nodes if fits(view.daemon_set, node)[0]]
    limits = _limits(view.daemon_set, len(fitting))
    unavailable, surging = 0, 0
    broken: list[Object] = []
    candidates: list[Object] = []
    for name in fitting:
        alive = [pod for pod in view.pods.get(name, ()) if not meta.is_deleting(pod)]
        new = [pod for pod in alive if view.is_new(pod)]
        old = [pod for pod in alive if pod not in new]
        if new and old:
            surging += 1
            unavailable += not limits.surge
        elif new or not old:
            unavailable += not new or not view.is_available(new[0])
        elif not view.is_available(old[0]):
            unavailable += 1
            broken.append(old[0])
        else:
            candidates.append(old[0])
    if limits.surge:
        room = max(0, limits.surge - surging)
        chosen = [*broken, *candidates][:room]
        return [], [node_of(pod) for pod in chosen]
    return [*broken, *candidates[: max(0, limits.unavailable - unavailable)]], []


def plan_status(view: View) -> Object:
    """The new status, without collisionCount."""
    count = dict.fromkeys(_COUNTS, 0)
    for node in view.nodes:
        here = [pod for pod in view.pods.get(meta.name(node), ()) if not meta.is_deleting(pod)]
        if not fits(view.daemon_set, node)[0]:
            count["numberMisscheduled"] += bool(here)
            continue
        count["desiredNumberScheduled"] += 1
        if here:
            newest = here[-1]
            count["currentNumberScheduled"] += 1
            count["numberReady"] += any(map(is_ready, here))
            count["numberAvailable"] += any(map(view.is_available, here))
            count["updatedNumberScheduled"] += view.is_new(newest)
    count["numberUnavailable"] = count["desiredNumberScheduled"] - count["numberAvailable"]
    count["observedGeneration"] = view.daemon_set["metadata"].get("generation", 0)
    return {**count}


_COUNTS = (
    *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
    *("updatedNumberScheduled", "numberAvailable", "numberUnavailable"),
)
