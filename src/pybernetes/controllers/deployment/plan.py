# SPDX-License-Identifier: Apache-2.0
"""Decides how large each ReplicaSet of a Deployment should be. Pure.

Sizes are planned as a map from the ReplicaSet's name to its new replicas; the caller applies them.
Source of the arithmetic: upstream's deployment util, rolling.go, sync.go.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pybernetes.apimachinery import intstr, meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.revisions import short_hash

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
)
_HISTORY_CHARACTERS = 2000
_MAX_NAME = 253

Sizes = dict[str, int]


class Sets(NamedTuple):
    """A Deployment's ReplicaSets: the one with its template, if any, and the others."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new else [])]


def size(obj: Object) -> int:
    """How many pods a Deployment or a ReplicaSet asks for."""
    return int(obj["spec"].get("replicas", 1))


def status_sum(sets: Iterable[Object], field: str) -> int:
    return sum((one.get("status") or {}).get(field) or 0 for one in sets)


def total(sets: Iterable[Object]) -> int:
    return sum(size(one) for one in sets)


def is_rolling(deployment: Object) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers of pods."""
    if not is_rolling(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = size(deployment)
    surge = intstr.scaled(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = intstr.scaled(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def template_key(template: Object) -> Object:
    """A pod template without what the controller itself adds to it."""
    metadata = {**(template.get("metadata") or {})}
    metadata.pop("creationTimestamp", None)
    labels = dict(metadata.pop("labels", None) or {})
    labels.pop(HASH_LABEL, None)
    if labels:
        metadata["labels"] = labels
    return {"metadata": metadata, "spec": template.get("spec") or {}}


def split(deployment: Object, sets: Sequence[Object]) -> Sets:
    """The oldest ReplicaSet with the Deployment's template is the new one."""
    ordered = by_age(sets)
    template = template_key(deployment["spec"]["template"])
    for one in ordered:
        if template_key(one["spec"]["template"]) == template:
            return Sets(one, [other for other in ordered if other is not one])
    return Sets(None, ordered)


def by_age(sets: Sequence[Object]) -> list[Object]:
    """Oldest first."""
    return sorted(
        sets, key=lambda one: (one["metadata"].get("creationTimestamp") or "", meta.name(one))
    )


def active(sets: Iterable[Object]) -> list[Object]:
    return [one for one in sets if size(one) > 0]


def revision(obj: Object) -> int:
    text = meta.annotations(obj).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def new_replica_set(deployment: Object, sets: Sets) -> Object:
    """The ReplicaSet for the Deployment's template, sized for its first step."""
    spec = deployment["spec"]
    collisions = (deployment.get("status") or {}).get("collisionCount") or 0
    hashed = short_hash(template_key(spec["template"]), collisions)
    template = {**spec["template"]}
    head = template.get("metadata") or {}
    labels = {**(head.get("labels") or {}), HASH_LABEL: hashed}
    template["metadata"] = {**head, "labels": labels}
    selector = {**spec["selector"]}
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed}
    name = f"{meta.name(deployment)[: _MAX_NAME - 1 - len(hashed)]}-{hashed}"
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta.new_metadata(
            name,
            meta.namespace(deployment),
            labels=labels,
            owners=[meta.controller_reference(deployment)],
        ),
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    made["spec"]["replicas"] = new_size(deployment, Sets(made, sets.old))
    newest = max((revision(one) for one in sets.old), default=0) + 1
    made["metadata"]["annotations"] = {
        **set_annotations(deployment, made, newest),
        **size_annotations(deployment),
    }
    return made


def size_annotations(deployment: Object) -> dict[str, str]:
    """What a later proportional scaling needs to know of today's sizes."""
    replicas = size(deployment)
    return {DESIRED: str(replicas), MAXIMUM: str(replicas + fenceposts(deployment)[0])}


def set_annotations(deployment: Object, replica_set: Object, newest: int) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, the revision and its history."""
    old = meta.annotations(replica_set)
    copied = {k: v for k, v in meta.annotations(deployment).items() if k not in _NOT_COPIED}
    result = {**old, **copied}
    known = old.get(REVISION, "")
    if known and not known.isdigit():
        return result
    if int(known or 0) < newest:
        result[REVISION] = str(newest)
        if known:  # an old ReplicaSet is used again: keep the revisions it had
            result[REVISION_HISTORY] = _history(old.get(REVISION_HISTORY, ""), known)
    return result


def _history(history: str, revision: str) -> str:
    items = [*(history.split(",") if history else []), revision]
    while len(",".join(items)) > _HISTORY_CHARACTERS:
        items.pop(0)
    return ",".join(items)


def new_size(deployment: Object, sets: Sets) -> int:
    """How large the new ReplicaSet may be now."""
    new, replicas = sets.new, size(deployment)
    if new is None:
        return 0
    if not is_rolling(deployment):
        return replicas
    room = replicas + fenceposts(deployment)[0] - total(sets.all)
    if room <= 0:
        return size(new)
    return size(new) + min(room, replicas - size(new))


def is_scaling(deployment: Object, sets: Sets) -> bool:
    """True if the Deployment's replicas changed since its ReplicaSets were last sized."""
    for one in active(sets.all):
        desired = meta.annotations(one).get(DESIRED, "")
        if desired.isdigit() and int(desired) != size(deployment):
            return True
    return False


def plan_scale(deployment: Object, sets: Sets) -> Sizes:
    """Sizes after the Deployment's replicas changed, or while it is paused."""
    replicas = size(deployment)
    living = active(sets.all)
    if len(living) <= 1:
        only = next(filter(None, [*living, sets.new, *reversed(sets.old)]), None)
        return {} if only is None or size(only) == replicas else {meta.name(only): replicas}
    if _is_saturated(deployment, sets.new):
        return {meta.name(one): 0 for one in active(sets.old)}
    return _proportional(deployment, living) if is_rolling(deployment) else {}


def _is_saturated(deployment: Object, new: Object | None) -> bool:
    if new is None:
        return False
    replicas = size(deployment)
    desired = meta.annotations(new).get(DESIRED, "")
    return (
        desired == str(replicas) and size(new) == status_sum([new], "availableReplicas") == replicas
    )


def _proportional(deployment: Object, living: list[Object]) -> Sizes:
    """Share what may be added (or must go) by the sizes that are; the rest goes to the largest."""
    replicas = size(deployment)
    allowed = replicas + fenceposts(deployment)[0] if replicas else 0
    change = allowed - total(living)
    oldest_first = by_age(living)
    if change > 0:
        oldest_first.reverse()
    ordered = sorted(oldest_first, key=lambda one: -size(one))
    sizes: Sizes = {}
    changed = 0
    for one in ordered:
        part = _proportion(deployment, one, change - changed)
        sizes[meta.name(one)] = size(one) + part
        changed += part
    largest = meta.name(ordered[0])
    sizes[largest] = max(0, sizes[largest] + change - changed)
    return sizes


def _proportion(deployment: Object, one: Object, left: int) -> int:
    """By how much a ReplicaSet changes of what is left to change."""
    replicas = size(deployment)
    if left == 0:
        return 0
    if replicas == 0:
        return -size(one)
    before = meta.annotations(one).get(MAXIMUM, "")
    maximum = int(before) if before.isdigit() else 0
    maximum = maximum or (deployment.get("status") or {}).get("replicas") or 0
    if maximum == 0:
        return 0
    exact = size(one) * (replicas + fenceposts(deployment)[0]) / maximum
    part = int(exact + 0.5) - size(one)
    return min(part, left) if left > 0 else max(part, left)


def plan_rolling(deployment: Object, sets: Sets) -> Sizes:
    """One step of a rolling update: first up, then (if nothing goes up) down."""
    new = sets.new
    if new is None:
        return {}
    replicas = size(deployment)
    if size(new) > replicas:
        return {meta.name(new): replicas}
    target = new_size(deployment, sets)
    if target != size(new):
        return {meta.name(new): target}
    return _scale_down_old(deployment, sets, new)


def _scale_down_old(deployment: Object, sets: Sets, new: Object) -> Sizes:
    old = active(sets.old)
    minimum = size(deployment) - fenceposts(deployment)[1]
    new_unavailable = size(new) - ((new.get("status") or {}).get("availableReplicas") or 0)
    room = total(sets.all) - minimum - new_unavailable
    if room <= 0:
        return {}
    sizes = {meta.name(one): size(one) for one in old}
    for one in old:  # pods that do not work anyway go first
        healthy = (one.get("status") or {}).get("availableReplicas") or 0
        down = max(0, min(room, size(one) - healthy))
        sizes[meta.name(one)] -= down
        room -= down
    room = status_sum(sets.all, "availableReplicas") - minimum
    for one in old:
        down = max(0, min(room, sizes[meta.name(one)]))
        sizes[meta.name(one)] -= down
        room -= down
    before = {meta.name(one): size(one) for one in old}
    return {name: target for name, target in sizes.items() if target != before[name]}


def plan_cleanup(deployment: Object, sets: Sets) -> list[Object]:
    """Old ReplicaSets beyond the history limit, lowest revisions first."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    candidates = [one for one in sets.old if not meta.is_deleting(one)]
    extra = len(candidates) - limit
    ordered = sorted(candidates, key=lambda one: (revision(one), meta.name(one)))
    return [one for one in ordered[: max(0, extra)] if _is_idle(one)]


def _is_idle(one: Object) -> bool:
    status = one.get("status") or {}
    observed = status.get("observedGeneration") or 0
    seen = (one["metadata"].get("generation") or 0) <= observed
    return seen and size(one) == 0 and not status.get("replicas")
