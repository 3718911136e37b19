# SPDX-License-Identifier: Apache-2.0
"""The cgroups above containers: kubepods, its quality-of-service classes, and whole pods.

Names and values are upstream's (ResourceConfigForPod, the QoS container manager), on v1 and v2.
"""

from collections.abc import Iterable

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import amounts, asked, pod_limits, pod_requests, qos_class
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.containers import resources
from pybernetes.kubelet.node import plan
from pybernetes.kubelet.node.machine import Machine
from pybernetes.linux import cgroups
from pybernetes.linux.cgroups import Limits

TIERS = ("/burstable", "/besteffort")
_UNBOUNDED = 1 << 62


def limits(pod: Object) -> Limits:
    """A pod is limited only if the pod itself or every container is."""
    requested, limited = pod_requests(pod), pod_limits(pod)
    bounded = {item for item in ("cpu", "memory") if _all_limited(pod, item)}
    return Limits(
        shares=resources.shares(requested.get("cpu", 0)),
        quota=resources.quota(limited["cpu"]) if "cpu" in bounded else -1,
        memory=limited["memory"] if "memory" in bounded else -1,
        pids=-1,
        hugepages=resources.hugepages(requested),
    )


def _all_limited(pod: Object, resource: str) -> bool:
    spec = pod["spec"]
    if resource in asked(spec, "limits"):
        return True
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    return all(asked(container, "limits").get(resource) for container in containers)


def create(config: Config, pod: Object) -> list[str]:
    """Make or update the pod's cgroup; what could not be set, in words."""
    return cgroups.configure(naming.cgroup(config, pod), limits(pod))


def remove(config: Config, uid: str) -> None:
    """Take away an empty pod cgroup, in whatever class it is."""
    for tier in ("", *TIERS):
        cgroups.remove(f"{naming.kubepods(config)}{tier}/pod{uid}")


def node_limits(config: Config, machine: Machine) -> Limits:
    """What all pods together may use: the node's capacity."""
    total = amounts(plan.capacity(config, machine))
    return Limits(
        shares=resources.shares(total["cpu"]),
        memory=total["memory"],
        pids=machine.pids,
        hugepages=resources.hugepages(total),
    )


def make_tiers(config: Config, machine: Machine) -> list[str]:
    """Make kubepods and its classes; what could not be set, in words."""
    top = node_limits(config, machine)
    loose = dict.fromkeys(top.hugepages, _UNBOUNDED)
    failed = cgroups.configure(naming.kubepods(config), top)
    for tier in TIERS:
        failed += cgroups.configure(f"{naming.kubepods(config)}{tier}", Limits(2, hugepages=loose))
    return failed


def share_burstable(config: Config, pods: Iterable[Object]) -> None:
    """Burstable pods together weigh what they request together."""
    total = sum(pod_requests(pod).get("cpu", 0) for pod in pods if qos_class(pod) == "Burstable")
    cgroups.configure(f"{naming.kubepods(config)}/burstable", Limits(resources.shares(total)))
