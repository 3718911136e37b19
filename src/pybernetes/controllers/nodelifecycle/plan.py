# SPDX-License-Identifier: Apache-2.0
"""Decides a silent node's conditions, any node's taints, and how fast a zone is evicted. Pure."""

import datetime
from collections.abc import Iterable
from typing import Literal

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.runtime.resources import taints

_PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE = _PREFIX + "not-ready", _PREFIX + "unreachable"
_FROM_CONDITION = {  # condition, status -> key of the NoSchedule taint
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): _PREFIX + "memory-pressure",
    ("DiskPressure", "True"): _PREFIX + "disk-pressure",
    ("NetworkUnavailable", "True"): _PREFIX + "network-unavailable",
    ("PIDPressure", "True"): _PREFIX + "pid-pressure",
}
_UNSCHEDULABLE = _PREFIX + "unschedulable"
_OURS = {*_FROM_CONDITION.values(), _UNSCHEDULABLE}
_KUBELETS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_EXCLUDED = _PREFIX + "exclude-disruption"

_NEVER = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
_STOPPED = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
Disruption = Literal["normal", "partial", "full"]


def ready(node: Object) -> Object | None:
    return conditions.of(node, "Ready")


def ready_status(node: Object) -> str:
    """True, False or Unknown; "" if nobody ever said."""
    return str((ready(node) or {}).get("status") or "")


def plan_silent(node: Object, now: datetime.datetime) -> list[Object] | None:
    """The conditions of a node that has not been heard of for too long; None: nothing changes."""
    listed = list((node.get("status") or {}).get("conditions") or ())
    result = [_unknown(one, now) if one["type"] in _KUBELETS else one for one in listed]
    missing = [kind for kind in _KUBELETS if conditions.find(listed, kind) is None]
    since = node["metadata"].get("creationTimestamp")
    result += [
        conditions.new(kind, "Unknown", _NEVER, now, lastHeartbeatTime=since) for kind in missing
    ]
    return None if result == listed else result


def _unknown(condition: Object, now: datetime.datetime) -> Object:
    if condition.get("status") == "Unknown":
        return condition
    return condition | conditions.new(condition["type"], "Unknown", _STOPPED, now)


def no_execute_key(node: Object) -> str:
    """The NoExecute taint that the Ready condition asks for; "" for none."""
    return {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready_status(node), "")


def is_no_execute(taint: Object) -> bool:
    return taint.get("effect") == "NoExecute" and taint.get("key") in (NOT_READY, UNREACHABLE)


def plan_taints(node: Object, no_execute: str, now: datetime.datetime) -> list[Object] | None:
    """All taints of the node with ours made right; None if nothing changes.

    `no_execute`: the key of the one NoExecute taint of ours that the node is to have, or "".
    """
    wanted = {(key, "NoSchedule"): None for key in _no_schedule(node)}
    if no_execute:
        wanted[no_execute, "NoExecute"] = None
    old = taints(node)
    kept = [taint for taint in old if not _is_ours(taint) or _key(taint) in wanted]
    known = {_key(taint) for taint in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": rfc3339(now)}
        for key, effect in wanted
        if (key, effect) not in known
    ]
    return None if kept == old and not added else kept + added


def _no_schedule(node: Object) -> list[str]:
    listed = (node.get("status") or {}).get("conditions") or ()
    pairs = [(one.get("type"), one.get("status")) for one in listed]
    keys = [_FROM_CONDITION[pair] for pair in pairs if pair in _FROM_CONDITION]
    if (node.get("spec") or {}).get("unschedulable"):
        keys.append(_UNSCHEDULABLE)
    return keys


def _key(taint: Object) -> tuple[str, str]:
    return taint.get("key", ""), taint.get("effect", "")


def _is_ours(taint: Object) -> bool:
    no_schedule = taint.get("effect") == "NoSchedule" and taint.get("key") in _OURS
    return no_schedule or is_no_execute(taint)


def zone_of(node: Object) -> str:
    labels = meta.labels(node)
    region = labels.get("topology.kubernetes.io/region", "")
    zone = labels.get("topology.kubernetes.io/zone", "")
    return f"{region}:\x00:{zone}" if region or zone else ""


def disruption(nodes: Iterable[Object], threshold: float) -> Disruption:
    """The state of one zone."""
    counted = [node for node in nodes if _EXCLUDED not in meta.labels(node)]
    down = len([node for node in counted if ready_status(node) in ("False", "Unknown")])
    up = len([node for node in counted if ready_status(node) == "True"])
    if down and not up:
        return "full"
    if down > 2 and down / (down + up) >= threshold:
        return "partial"
    return "normal"


def eviction_rate(state: Disruption, size: int, config: ControllersConfig) -> float:
    """Nodes of a zone that may get a NoExecute taint each second."""
    if state != "partial":
        return config.node_eviction_rate
    large = size > config.large_cluster_size
    return config.node_secondary_eviction_rate if large else 0.0
