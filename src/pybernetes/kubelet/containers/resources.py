# SPDX-License-Identifier: Apache-2.0
"""Requests and limits as cgroup values (LinuxContainerResources)."""

import re
from collections.abc import Mapping

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import amounts, asked, container_total, qos_class
from pybernetes.cri.types import Config
from pybernetes.linux import cgroups
from pybernetes.linux.cgroups import PERIOD

MIN_QUOTA = 1000
MIN_SHARES, MAX_SHARES = 2, 262_144
_OOM = {"Guaranteed": -997, "BestEffort": 1000}


def shares(milli_cpu: int) -> int:
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota(milli_cpu: int) -> int:
    """Microseconds per PERIOD; 0: no limit."""
    return max(MIN_QUOTA, milli_cpu * PERIOD // 1000) if milli_cpu else 0


def linux(pod: Object, container: Object, memory_capacity: int) -> Config:
    """The cgroup values of one container. `memory_capacity` (bytes) scales the OOM score.

    A container without limits of its own has those of the pod.
    """
    limits, whole = asked(container, "limits"), asked(pod["spec"], "limits")
    cpu = limits.get("cpu") or whole.get("cpu", 0)
    result: Config = {
        "cpu_shares": shares(asked(container, "requests").get("cpu", cpu)),
        "cpu_period": PERIOD,
        "cpu_quota": quota(cpu) or -1,
        "memory_limit_in_bytes": limits.get("memory") or whole.get("memory", 0),
        "oom_score_adj": oom_score(pod, container, memory_capacity),
        "hugepage_limits": [
            {"page_size": size, "limit": number} for size, number in hugepages(limits).items()
        ],
    }
    if cgroups.unified():  # one process killed for memory takes its container with it
        result["unified"] = {"memory.oom.group": "1"}
    return result


def hugepages(amounts: Mapping[str, int]) -> dict[str, int]:
    """Of amounts by resource ("hugepages-2Mi") by page size, as the kernel names it ("2MB")."""
    pages = {name[10:]: n for name, n in amounts.items() if name.startswith("hugepages-")}
    return {re.sub("i$", "B", size): number for size, number in pages.items()}


def oom_score(pod: Object, container: Object, memory_capacity: int) -> int:
    """Upstream's GetContainerOOMScoreAdjust."""
    spec, qos = pod["spec"], qos_class(pod)
    if spec.get("priorityClassName") == "system-node-critical":
        return _OOM["Guaranteed"]
    if qos in _OOM:
        return _OOM[qos]
    request = asked(container, "requests").get("memory", 0)
    if container.get("restartPolicy") == "Always":  # a sidecar outlives what it serves
        others = (asked(item, "requests").get("memory", 0) for item in spec["containers"])
        request = max(request, min(others))
    rest = asked(spec, "requests").get("memory", 0) - container_total(
        spec, "requests", amounts
    ).get("memory", 0)
    request += max(0, rest) // len([*spec["containers"], *spec.get("initContainers", ())])
    score = 1000 - 1000 * request // max(1, memory_capacity)
    return max(3, min(999, score))
