# SPDX-License-Identifier: Apache-2.0
"""Whether the node takes a pod that was bound to it (upstream's predicate admit handler). Pure."""

from collections.abc import Iterable, Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core import taints
from pybernetes.apis.core.nodeaffinity import required_matches
from pybernetes.apis.core.pod.requests import amounts, pod_requests

Rejection = tuple[str, str]
_ANY = ("", "0.0.0.0", "::")


def admit(pod: Object, node: Object, others: Sequence[Object]) -> Rejection | None:
    """(reason, message) of a rejection; None: admitted. `others` are the pods that run here."""
    found = _resources(pod, node, others) or _selector(pod, node) or _ports(pod, others)
    found = found or _taints(pod, node)
    if found is None:
        return None
    reason, message = found
    return reason, f"Pod was rejected: {message}"


def _resources(pod: Object, node: Object, others: Sequence[Object]) -> Rejection | None:
    allocatable = amounts((node.get("status") or {}).get("allocatable"))
    if len(others) + 1 > allocatable.get("pods", 1 << 30):
        return _short("pods", 1, len(others), allocatable["pods"])
    wanted = {name: number for name, number in pod_requests(pod).items() if number > 0}
    used: dict[str, int] = {}
    for other in others:
        for name, number in pod_requests(other).items():
            used[name] = used.get(name, 0) + number
    for name in sorted(wanted):
        if name not in allocatable and name not in ("cpu", "memory", "ephemeral-storage"):
            continue  # unknown extended resources are nobody's to refuse (upstream drops them)
        if wanted[name] + used.get(name, 0) > allocatable.get(name, 0):
            return _short(name, wanted[name], used.get(name, 0), allocatable.get(name, 0))
    return None


def _short(name: str, requested: int, used: int, capacity: int) -> Rejection:
    numbers = f"requested: {requested}, used: {used}, capacity: {capacity}"
    return f"OutOf{name}", f"Node didn't have enough resource: {name}, {numbers}"


def _selector(pod: Object, node: Object) -> Rejection | None:
    if required_matches(pod["spec"], node):
        return None
    message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    return "NodeAffinity", message


def host_ports(pod: Object) -> list[tuple[str, str, int]]:
    """(host IP, protocol, port) of every host port."""
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return [
        (port.get("hostIP") or "", port.get("protocol") or "TCP", port["hostPort"])
        for container in [*spec["containers"], *sidecars]
        for port in container.get("ports", ())
        if port.get("hostPort")
    ]


def _ports(pod: Object, others: Iterable[Object]) -> Rejection | None:
    wanted = host_ports(pod)
    if not wanted:
        return None
    taken = [port for other in others for port in host_ports(other)]
    for ip, protocol, port in wanted:
        for other_ip, other_protocol, other_port in taken:
            same = (protocol, port) == (other_protocol, other_port)
            if same and (ip == other_ip or ip in _ANY or other_ip in _ANY):
                message = "node(s) didn't have free ports for the requested pod ports"
                return "NodePorts", f"Predicate NodePorts failed: {message}"
    return None


def _taints(pod: Object, node: Object) -> Rejection | None:
    """NoExecute taints count here; NoSchedule is the scheduler's."""
    present = (node.get("spec") or {}).get("taints") or ()
    tolerations = pod["spec"].get("tolerations") or ()
    for taint in present:
        if taint.get("effect") == "NoExecute" and not taints.is_tolerated(tolerations, taint):
            message = "Predicate TaintToleration failed: node(s) had untolerated taint"
            return "TaintToleration", message
    return None
