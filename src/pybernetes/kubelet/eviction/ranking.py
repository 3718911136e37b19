# SPDX-License-Identifier: Apache-2.0
"""Which pod goes first, why a pod must go, and what it is told. Pure; upstream's order and words."""

from collections.abc import Mapping, Sequence

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import amount, pod_limits, pod_requests
from pybernetes.kubelet import naming
from pybernetes.kubelet.eviction.thresholds import Observation, Threshold
from pybernetes.kubelet.node import plan
from pybernetes.kubelet.stats import PodStats


def usage(item: PodStats, resource: str) -> int:
    """How much of the resource that runs short the pod uses."""
    if resource == "memory":
        return item.cgroup.working_set
    if resource == "pids":
        return item.cgroup.pids
    return item.ephemeral.bytes if resource == "ephemeral-storage" else item.ephemeral.inodes


def rank(resource: str, pods: Sequence[PodStats]) -> list[PodStats]:
    """Those beyond their requests first, then by priority, then by what they use beyond them."""

    def order(item: PodStats) -> tuple[bool, int, int]:
        beyond = usage(item, resource) - pod_requests(item.pod).get(resource, 0)
        modest = resource != "pids" and beyond <= 0
        return modest, item.pod["spec"].get("priority") or 0, -beyond

    return sorted(pods, key=order)


def message(threshold: Threshold, item: PodStats, seen: Mapping[str, Observation]) -> str:
    """Why a pod is evicted when the node runs short."""
    resource = threshold.resource
    observed = seen[threshold.signal]
    limit = plan.amount(threshold.value, observed.capacity)
    text = f"The node was low on resource: {resource}. "
    text += f"Threshold quantity: {_text(limit, resource)}, "
    text += f"available: {_text(observed.available, resource)}. "
    for one in item.containers:
        spec = naming.find_container(item.pod, one.container.name) or {}
        request = ((spec.get("resources") or {}).get("requests") or {}).get(resource, "0")
        used = one.stats.working_set
        if resource == "ephemeral-storage":
            used = one.stats.disk_bytes + one.logs.bytes
        if resource in ("memory", "ephemeral-storage") and used > amount(resource, request):
            text += f"Container {one.container.name} was using {_text(used, resource)}, "
            text += f"request is {request}, has larger consumption of {resource}. "
    return text


def _text(number: int, resource: str) -> str:
    return str(number if resource in ("inodes", "pids") else quantity.from_int(number, "BinarySI"))


def is_limited(pod: Object) -> bool:
    """Whether the pod has local storage limits that have to be watched."""
    return "ephemeral-storage" in pod_limits(pod) or any(_size_limits(pod))


def _size_limits(pod: Object) -> dict[str, str]:
    """emptyDir volumes with a limit that the kernel does not enforce."""
    sources = {
        v["name"]: v["emptyDir"] or {} for v in pod["spec"].get("volumes", ()) if "emptyDir" in v
    }
    return {
        name: str(source["sizeLimit"])
        for name, source in sources.items()
        if source.get("medium") != "Memory" and quantity.parse(source.get("sizeLimit") or "0")
    }


def beyond_limits(item: PodStats) -> tuple[str, str] | None:
    """(metric signal, message) where the pod uses more local storage than it may."""
    for name, limit in _size_limits(item.pod).items():
        disk = item.volumes.get(name)
        if disk and disk.bytes > quantity.parse(limit).to_int():
            text = f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
            return "emptydirfs.limit", text
    total = pod_limits(item.pod).get("ephemeral-storage")
    if total is not None and item.ephemeral.bytes > total:
        shown = str(quantity.from_int(total, "BinarySI"))
        text = f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "
        return "ephemeralpodfs.limit", text
    for one in item.containers:
        name = one.container.name
        spec = naming.find_container(item.pod, name) or {}
        most = ((spec.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
        used = one.stats.disk_bytes + one.logs.bytes
        if most and used > quantity.parse(most).to_int():
            text = f'Container {name} exceeded its local ephemeral storage limit "{most}". '
            return "ephemeralcontainerfs.limit", text
    return None
