# SPDX-License-Identifier: Apache-2.0
"""A slow scheduler, one node and one plain number at a time: what the vectorised one must agree with."""

from typing import Any

CPU_DEFAULT, MEMORY_DEFAULT = 100, 200 * 1024 * 1024
_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6}


def amount(name: str, text: str) -> int:
    """Milli-CPU, or plain units."""
    if text.endswith("m"):
        value = int(text[:-1]) / 1000
    else:
        unit = next(unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit))
        value = int(text[: len(text) - len(unit)]) * _UNITS[unit]
    return round(value * 1000) if name == "cpu" else round(value)


def requests_of(pod: dict[str, Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for container in pod["spec"]["containers"]:
        for name, text in container.get("resources", {}).get("requests", {}).items():
            total[name] = total.get(name, 0) + amount(name, text)
    return total


def scored_of(pod: dict[str, Any]) -> tuple[int, int]:
    cpu = memory = 0
    for container in pod["spec"]["containers"]:
        asked = container.get("resources", {}).get("requests", {})
        cpu += amount("cpu", asked["cpu"]) if "cpu" in asked else CPU_DEFAULT
        memory += amount("memory", asked["memory"]) if "memory" in asked else MEMORY_DEFAULT
    return cpu, memory


def tolerated(pod: dict[str, Any], taint: dict[str, str]) -> bool:
    for one in pod["spec"].get("tolerations", []):
        if one.get("effect") and one["effect"] != taint["effect"]:
            continue
        if one.get("key") and one["key"] != taint["key"]:
            continue
        if one.get("operator", "Equal") == "Exists" or one.get("value", "") == taint.get(
            "value", ""
        ):
            return True
    return False


class Oracle:
    """Nodes and the pods on them; `verdicts(pod)` gives node -> final score, or None if refused."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, list[dict[str, Any]]] = {}

    def place(self, pod: dict[str, Any], node: str) -> None:
        self.pods.setdefault(node, []).append(pod)

    def verdicts(self, pod: dict[str, Any]) -> dict[str, int | None]:
        fit = [name for name in self.nodes if self._fits(pod, name)]
        taints = {name: self._soft_taints(pod, name) for name in fit}
        worst = max(taints.values(), default=0)
        result: dict[str, int | None] = dict.fromkeys(self.nodes)
        for name in fit:
            taint_score = 100 - taints[name] * 100 // worst if worst else 100
            # without any PreferNoSchedule taint all nodes get the same, which decides nothing
            result[name] = self._resources(pod, name) + 3 * taint_score
        return result

    def _fits(self, pod: dict[str, Any], name: str) -> bool:
        node = self.nodes[name]
        for taint in node["spec"].get("taints", []):
            if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerated(pod, taint):
                return False
        selector = pod["spec"].get("nodeSelector", {})
        if any(node["metadata"]["labels"].get(key) != value for key, value in selector.items()):
            return False
        here = self.pods.get(name, [])
        if len(here) + 1 > int(node["status"]["allocatable"]["pods"]):
            return False
        for resource, wanted in requests_of(pod).items():
            used = sum(requests_of(other).get(resource, 0) for other in here)
            if used + wanted > amount(resource, node["status"]["allocatable"].get(resource, "0")):
                return False
        return True

    def _soft_taints(self, pod: dict[str, Any], name: str) -> int:
        taints = self.nodes[name]["spec"].get("taints", [])
        return sum(
            taint["effect"] == "PreferNoSchedule" and not tolerated(pod, taint) for taint in taints
        )

    def _resources(self, pod: dict[str, Any], name: str) -> int:
        capacity = [
            amount(one, self.nodes[name]["status"]["allocatable"][one]) for one in ("cpu", "memory")
        ]
        here = self.pods.get(name, [])
        least = 0
        for index in (0, 1):
            asked = sum(scored_of(other)[index] for other in here) + scored_of(pod)[index]
            if asked <= capacity[index]:
                least += (capacity[index] - asked) * 100 // capacity[index]
        own = [requests_of(pod).get(one, 0) for one in ("cpu", "memory")]
        if own == [0, 0]:
            return least // 2
        used = [sum(requests_of(other).get(one, 0) for other in here) for one in ("cpu", "memory")]
        before = [min(used[i] / capacity[i], 1.0) for i in (0, 1)]
        after = [min((used[i] + own[i]) / capacity[i], 1.0) for i in (0, 1)]
        change = int((1 - abs(after[0] - after[1]) / 2) * 100) - int(
            (1 - abs(before[0] - before[1]) / 2) * 100
        )
        return least // 2 + 50 + (50 + change) // 2
