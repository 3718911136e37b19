# SPDX-License-Identifier: Apache-2.0
"""Decides which pods are garbage, and why (upstream's reasons in metrics). Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished, is_ready
from pybernetes.controllers.runtime.resources import taints

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class Garbage(NamedTuple):
    pod: Object
    reason: str


def plan_pods(pods: Sequence[Object], nodes: Mapping[str, Object], threshold: int) -> list[Garbage]:
    """Garbage whose node, if it names one, exists."""
    found = [Garbage(pod, "terminated") for pod in _oldest_finished(pods, threshold)]
    for pod in pods:
        if not meta.is_deleting(pod):
            continue
        name = pod["spec"].get("nodeName")
        if not name:
            found.append(Garbage(pod, "terminating-unscheduled"))
        elif name in nodes and _is_out_of_service(nodes[name]):
            found.append(Garbage(pod, "terminating-out-of-service"))
    return found


def _oldest_finished(pods: Sequence[Object], threshold: int) -> list[Object]:
    """Finished pods beyond the threshold: evicted ones first, then the oldest."""
    if threshold <= 0:
        return []
    finished = [pod for pod in pods if is_finished(pod)]
    excess = len(finished) - threshold
    if excess <= 0:
        return []
    return sorted(finished, key=_order)[:excess]


def _order(pod: Object) -> tuple[bool, str, str]:
    evicted = (pod.get("status") or {}).get("reason") == "Evicted"
    return not evicted, pod["metadata"].get("creationTimestamp") or "", meta.name(pod)


def _is_out_of_service(node: Object) -> bool:
    tainted = any(taint.get("key") == OUT_OF_SERVICE for taint in taints(node))
    return tainted and not is_ready(node)


def missing_nodes(pods: Sequence[Object], nodes: Mapping[str, Object]) -> list[str]:
    """Names of nodes that pods name but that do not exist."""
    named = {pod["spec"].get("nodeName"): None for pod in pods if pod["spec"].get("nodeName")}
    return [name for name in named if name not in nodes]
