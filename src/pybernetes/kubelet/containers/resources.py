# SPDX-License-Identifier: Apache-2.0
"""Requests and limits as cgroup values (LinuxContainerResources)."""

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import amounts, container_total, qos_class
from pybernetes.cri.types import Config
from pybernetes.linux import cgroups
from pybernetes.linux.cgroups import PERIOD

MIN_QUOTA = 1000
MIN_SHARES, MAX_SHARES = 2, 262_144
_OOM = {"Guaranteed": -997, "BestEffort": 1000}


def milli(text: str | None) -> int:
    return quantity.parse(text).to_milli() if text else 0


def units(text: str | None) -> int:
    return quantity.parse(text).to_int() if text else 0


def shares(milli_cpu: int) -> int:
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota(milli_cpu: int) -> int:
    """Microseconds per PERIOD; 0: no limit."""
    return max(MIN_QUOTA, milli_cpu * PERIOD // 1000) if milli_cpu else 0


def linux(pod: Object, container: Object, memory_capacity: int) -> Config:
    """The cgroup values of one container. `memory_capacity` (bytes) scales the OOM score.

    A container without limits of its own has those of the pod.
    """
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    whole = (pod["spec"].get("resources") or {}).get("limits") or {}
    cpu = next((one["cpu"] for one in (limits, whole) if milli(one.get("cpu"))), None)
    memory = units(limits.get("memory")) or units(whole.get("memory"))
    result: Config = {
        "cpu_shares": shares(milli(requests.get("cpu", cpu))),
        "cpu_period": PERIOD,
        "cpu_quota": quota(milli(cpu)) or -1,
        "memory_limit_in_bytes": memory,
        "oom_score_adj": oom_score(pod, container, memory_capacity),
        "hugepage_limits": [
            {"page_size": page_size(name[10:]), "limit": units(text)}
            for name, text in limits.items()
            if name.startswith("hugepages-")
        ],
    }
    if cgroups.unified():  # one process killed for memory takes its container with it
        result["unified"] = {"memory.oom.group": "1"}
    return result


def page_size(text: str) -> str:
    """A page size of a resource name ("2Mi") as the kernel names it ("2MB")."""
    return text.replace("i", "B") if text.endswith("i") else text


def oom_score(pod: Object, container: Object, memory_capacity: int) -> int:
    """Upstream's GetContainerOOMScoreAdjust."""
    spec, qos = pod["spec"], qos_class(pod)
    if spec.get("priorityClassName") == "system-node-critical":
        return _OOM["Guaranteed"]
    if qos in _OOM:
        return _OOM[qos]
    request = _memory(container)
    if container.get("restartPolicy") == "Always":  # a sidecar outlives what it serves
        request = max(request, min(_memory(item) for item in spec["containers"]))
    whole = units(((spec.get("resources") or {}).get("requests") or {}).get("memory"))
    rest = whole - container_total(spec, "requests", amounts).get("memory", 0)
    request += max(0, rest) // len([*spec["containers"], *spec.get("initContainers", ())])
    score = 1000 - 1000 * request // max(1, memory_capacity)
    return max(3, min(999, score))


def _memory(container: Object) -> int:
    return units(((container.get("resources") or {}).get("requests") or {}).get("memory"))
