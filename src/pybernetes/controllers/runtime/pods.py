# SPDX-License-Identifier: Apache-2.0
"""Pods as controllers see them: available when; made from a template; chosen for deletion. Pure."""

import datetime
import functools
import math
from collections.abc import Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_active, is_finished, is_ready, phase
from pybernetes.client.frozen import copy_object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def is_terminating(pod: Object) -> bool:
    """True for a pod that is being deleted and has not finished yet."""
    return meta.is_deleting(pod) and not is_finished(pod)


def available_in(owner: Object, pod: Object, now: datetime.datetime) -> float | None:
    """Seconds until the pod counts as available to its owner, 0 if it does; None if it is not ready."""
    min_ready = owner["spec"].get("minReadySeconds") or 0
    condition = conditions.of(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    if min_ready <= 0:
        return 0.0
    since = condition.get("lastTransitionTime")
    if not since:
        return None
    return max(0.0, min_ready - (now - parse(since)).total_seconds())


def claims_of(pod: Object) -> list[str]:
    """Names of the claims that a pod's volumes use, those made for it included."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            found.append(str(volume["persistentVolumeClaim"]["claimName"]))
        elif volume.get("ephemeral"):
            found.append(f"{meta.name(pod)}-{volume['name']}")
    return found


def from_template(owner: Object, template: Object) -> Object:
    """A new pod of `owner`; the server completes its name."""
    head = template.get("metadata") or {}
    metadata = meta.new_metadata(
        namespace=meta.namespace(owner),
        generate_name=f"{meta.name(owner)}-",
        labels=head.get("labels"),
        annotations=head.get("annotations"),
        owners=[meta.controller_reference(owner)],
    )
    if head.get("finalizers"):
        metadata["finalizers"] = list(head["finalizers"])
    spec = copy_object(template.get("spec") or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def to_delete(
    candidates: Sequence[Object], related: Sequence[Object], count: int, now: datetime.datetime
) -> list[Object]:
    """The `count` pods that are missed least (upstream's ActivePodsWithRanks order).

    `related`: pods of the same application, to prefer nodes that hold many of them.
    """
    if count >= len(candidates):
        return list(candidates)
    on_node: dict[str, int] = {}
    for pod in related:
        if is_active(pod):
            node = pod["spec"].get("nodeName", "")
            on_node[node] = on_node.get(node, 0) + 1
    return sorted(candidates, key=functools.partial(_rank, on_node=on_node, now=now))[:count]


def _rank(pod: Object, on_node: dict[str, int], now: datetime.datetime) -> tuple[object, ...]:
    """Smaller is deleted first."""
    node = pod["spec"].get("nodeName", "")
    ready = is_ready(pod)
    since = (conditions.of(pod, "Ready") or {}).get("lastTransitionTime") if ready else None
    restarts = max(
        (
            one.get("restartCount") or 0
            for one in pod.get("status", {}).get("containerStatuses") or ()
        ),
        default=0,
    )
    return (
        bool(node),
        _PHASES.get(phase(pod), 0),
        ready,
        deletion_cost(pod),
        -on_node.get(node, 0),
        _age(since, now) if ready else 0,
        -restarts,
        _age(pod["metadata"].get("creationTimestamp"), now),
        meta.uid(pod),
    )


def deletion_cost(pod: Object) -> int:
    try:
        return int(meta.annotations(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _age(since: str | None, now: datetime.datetime) -> int:
    """Order of magnitude of an age: ages alike are left to chance (upstream: doublings)."""
    if not since:
        return -1
    seconds = (now - parse(since)).total_seconds()
    return int(math.log2(seconds * 1e9)) if seconds > 0 else -1
