# SPDX-License-Identifier: Apache-2.0
"""Whether the node takes a pod that was bound to it (upstream's predicate admit handler). Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core import taints
from pybernetes.apis.core.nodeaffinity import required_matches
from pybernetes.apis.core.pod import hostports
from pybernetes.apis.core.pod.requests import amounts, pod_requests, qos_class

Rejection = tuple[str, str]

_SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
)  # fmt: skip
SYSTEM_CRITICAL = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What else decides. `pressure`: node conditions that are true."""

    pressure: Collection[str] = ()
    stopping: bool = False
    apparmor: bool = True  # whether the host has it


def is_static(pod: Object) -> bool:
    """Whether the pod comes from a file (whatever one of the API claims in its annotations)."""
    metadata = pod["metadata"]
    source = (metadata.get("annotations") or {}).get("kubernetes.io/config.source", "api")
    return bool(source != "api" and not metadata.get("resourceVersion"))


def is_critical(pod: Object) -> bool:
    return is_static(pod) or (pod["spec"].get("priority") or 0) >= SYSTEM_CRITICAL


def admit(
    pod: Object, node: Object, others: Sequence[Object], policy: Policy | None = None
) -> Rejection | None:
    """(reason, message) of a rejection; None: admitted. `others` are the pods that run here."""
    policy = policy or Policy()
    found = _pressure(pod, policy.pressure) or _sysctls(pod)
    found = found or _unsupported(pod, policy.apparmor)
    found = found or resources(pod, node, others) or _selector(pod, node) or _ports(pod, others)
    found = found or _taints(pod, node)
    if found is None and policy.stopping:
        found = "NodeShutdown", "Pod was rejected as the node is shutting down."
    if found is None:
        return None
    reason, message = found
    return reason, f"Pod was rejected: {message}"


def victims(pod: Object, node: Object, others: Sequence[Object]) -> list[Object]:
    """Who has to go so that a critical pod finds room: no more than needed, BestEffort first."""
    order = ("BestEffort", "Burstable", "Guaranteed")
    able = sorted(
        (o for o in others if not is_critical(o)), key=lambda o: order.index(qos_class(o))
    )
    gone: list[Object] = []
    while able and resources(pod, node, [o for o in others if o not in gone]):
        gone.append(able.pop(0))
    left = [o for o in others if o not in gone]
    for kept in list(gone):
        if not resources(pod, node, [*left, kept]):
            gone.remove(kept)
            left.append(kept)
    return [] if resources(pod, node, left) else gone


def _pressure(pod: Object, conditions: Collection[str]) -> Rejection | None:
    if not conditions or is_critical(pod):
        return None
    if set(conditions) == {"MemoryPressure"}:
        taint = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
        tolerations = pod["spec"].get("tolerations") or ()
        if qos_class(pod) != "BestEffort" or taints.is_tolerated(tolerations, taint):
            return None
    return "Evicted", f"The node had condition: [{' '.join(sorted(conditions))}]. "


def _unsupported(pod: Object, apparmor: bool) -> Rejection | None:
    """What no container here can have."""
    spec = pod["spec"]
    if (spec.get("os") or {}).get("name", "linux") != "linux":
        text = "Failed to admit pod as the OS field doesn't match node OS"
        return "PodOSNotSupported", text
    security = spec.get("securityContext") or {}
    if security.get("supplementalGroupsPolicy") == "Strict":
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return "SupplementalGroupsPolicyNotSupported", text
    contexts = [security, *(item.get("securityContext") or {} for item in _containers(spec))]
    wished = [(one.get("appArmorProfile") or {}).get("type", "Unconfined") for one in contexts]
    if not apparmor and set(wished) != {"Unconfined"}:
        return "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    return None


def _containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def _sysctls(pod: Object) -> Rejection | None:
    for item in (pod["spec"].get("securityContext") or {}).get("sysctls", ()):
        name, wrong = item["name"].replace("/", "."), ""
        if name not in _SAFE_SYSCTLS:
            wrong = "not allowlisted"
        elif name.startswith("net.") and pod["spec"].get("hostNetwork"):
            wrong = "not allowed with host Net enabled"
        elif not name.startswith("net.") and pod["spec"].get("hostIPC"):
            wrong = "not allowed with host IPC enabled"
        if wrong:
            return "SysctlForbidden", f'forbidden sysctl: "{name}" {wrong}'
    return None


def resources(pod: Object, node: Object, others: Sequence[Object]) -> Rejection | None:
    """Whether the node has what the pod requests, beside the others."""
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


def _ports(pod: Object, others: Iterable[Object]) -> Rejection | None:
    wanted = hostports.of(pod["spec"])
    if any(hostports.clash(wanted, hostports.of(other["spec"])) for other in others if wanted):
        return "NodePorts", f"Predicate NodePorts failed: {hostports.CONFLICT}"
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
