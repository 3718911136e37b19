# SPDX-License-Identifier: Apache-2.0
"""Questions about a pod's status that several components ask. Nothing here changes a pod."""

from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions

RESTART_ALL = "RestartAllContainers"


def may_restart_all(spec: Object) -> bool:
    """Whether the exit of some container may restart all of them in place."""
    return any(
        rule.get("action") == RESTART_ALL
        for item in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        for rule in item.get("restartPolicyRules") or ()
    )


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def is_ready(pod: Object) -> bool:
    return conditions.has(pod, "Ready")


def is_finished(pod: Object) -> bool:
    """True once the pod's phase is terminal: Succeeded or Failed."""
    return phase(pod) in {"Succeeded", "Failed"}


def is_active(pod: Object) -> bool:
    """True while controllers count the pod: not finished and not being deleted."""
    return not is_finished(pod) and not (pod.get("metadata") or {}).get("deletionTimestamp")


def pod_ips(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    found = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return found or ([status["podIP"]] if status.get("podIP") else [])


def pod_ip(pod: Object) -> str:
    return next(iter(pod_ips(pod)), "")


def belongs_in_endpoints(pod: Object, *, include_terminating: bool = False) -> bool:
    """True for a pod that has an address and still runs (upstream's ShouldPodBeInEndpoints)."""
    if is_finished(pod) or not pod_ip(pod):
        return False
    return include_terminating or not (pod.get("metadata") or {}).get("deletionTimestamp")
