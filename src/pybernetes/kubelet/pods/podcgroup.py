# SPDX-License-Identifier: Apache-2.0
"""The cgroup of a whole pod, parent of its containers' cgroups (cgroup v1 and v2)."""

import contextlib

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import pod_limits, pod_requests
from pybernetes.kubelet.containers import resources
from pybernetes.linux import cgroups

_V1 = ("cpu", "memory")


def create(name: str, pod: Object) -> None:
    """Make the pod's cgroup and set what its containers may use together."""
    for controller in _V1:
        base = cgroups.ROOT / controller
        if not (base / "cgroup.procs").exists():
            continue
        folder = base / name.strip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for file, value in _values(pod, controller).items():
            with contextlib.suppress(OSError):  # a kernel without this knob
                (folder / file).write_text(str(value))


def _values(pod: Object, controller: str) -> dict[str, int]:
    requests, limits = pod_requests(pod), pod_limits(pod)
    if controller == "cpu":
        values = {"cpu.shares": resources.shares(requests.get("cpu", 0))}
        if _all_limited(pod, "cpu"):
            values["cpu.cfs_period_us"] = resources.PERIOD
            values["cpu.cfs_quota_us"] = resources.quota(limits["cpu"])
        return values
    if _all_limited(pod, "memory"):
        return {"memory.limit_in_bytes": limits["memory"]}
    return {}


def _all_limited(pod: Object, resource: str) -> bool:
    """A pod is limited only if the pod itself or every container is."""
    spec = pod["spec"]
    if ((spec.get("resources") or {}).get("limits") or {}).get(resource):
        return True
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    return all(
        ((item.get("resources") or {}).get("limits") or {}).get(resource) for item in containers
    )
