# SPDX-License-Identifier: Apache-2.0
"""PodStatus from spec, runtime state and what the kubelet remembers. Pure.

Phase, conditions and container states follow upstream's generateAPIPodStatus.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import Amounts, pod_limits, pod_requests
from pybernetes.apis.core.pod.status import may_restart_all
from pybernetes.kubelet import containerstatus, naming, podactions
from pybernetes.kubelet.containerstatus import Memory
from pybernetes.kubelet.podstate import PodState

RESIZE = ("PodResizePending", "PodResizeInProgress")  # there only while true
OWNED = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    "AllContainersRestarting", *RESIZE,
)  # fmt: skip


def generate(pod: Object, state: PodState, memory: Memory) -> Object:
    """The whole status object."""
    old = pod.get("status") or {}
    if memory.rejected is not None:
        return _rejected(old, pod, memory)
    status: Object = {"phase": ""}
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    init = containerstatus.statuses(pod, state, memory, "initContainers")
    regular = containerstatus.statuses(pod, state, memory, "containers")
    ephemeral = containerstatus.statuses(pod, state, memory, "ephemeralContainers")
    ended = memory.failed is not None and not state.running  # not before all has stopped
    status["phase"] = "Failed" if ended else _phase(pod, (init, regular), memory)
    if status["phase"] == "Succeeded" and state.running:
        status["phase"] = old.get("phase") or "Pending"  # sidecars still end
    known = (status["phase"], init, regular)
    status["conditions"] = _conditions(pod, state, known, memory)
    _addresses(status, pod, state, memory)
    status["startTime"] = old.get("startTime") or memory.start_time
    for name, items in (
        ("initContainerStatuses", init),
        ("containerStatuses", regular),
        ("ephemeralContainerStatuses", ephemeral),
    ):
        if items:
            status[name] = items
    for kept in ("reason", "message", "resize", "nominatedNodeName", "resourceClaimStatuses"):
        if kept in old:
            status[kept] = old[kept]
    if memory.failed and ended:
        status["reason"], status["message"] = memory.failed
    status["qosClass"] = old.get("qosClass") or "BestEffort"
    requests, limits = _texts(pod_requests(pod)), _texts(pod_limits(pod))
    if requests or limits:
        status["allocatedResources"] = requests
        status["resources"] = {"requests": requests, "limits": limits}
    return status


def _texts(amounts: Amounts) -> dict[str, str]:
    return {
        name: quantity.canonical(f"{number}m")
        if name == "cpu"
        else str(quantity.from_int(number, "BinarySI"))
        for name, number in amounts.items()
    }


def _rejected(old: Object, pod: Object, memory: Memory) -> Object:
    reason, message = memory.rejected or ("", "")
    status = copy.deepcopy(old)
    status.update(phase="Failed", reason=reason, message=message)
    status.setdefault("startTime", memory.start_time)
    if pod["metadata"].get("generation"):
        status["observedGeneration"] = pod["metadata"]["generation"]
    return status


def _addresses(status: Object, pod: Object, state: PodState, memory: Memory) -> None:
    if memory.node_ips:
        status["hostIP"] = memory.node_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in memory.node_ips]
    ips: Sequence[str] = state.ips
    if pod["spec"].get("hostNetwork"):
        ips = memory.node_ips if state.sandbox else ()
    if not ips and state.sandboxes and not state.sandbox:
        old = (pod.get("status") or {}).get("podIPs", ())  # a finished pod keeps its address
        ips = [item["ip"] for item in old]
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]


@dataclass(slots=True)
class _Counts:
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    succeeded: int = 0

    def add(self, status: Object) -> None:
        state = status.get("state") or {}
        ended = (status.get("lastState") or {}).get("terminated")
        resetting = (state.get("waiting") or {}).get("reason") == containerstatus.RESETTING.reason
        if "running" in state or resetting:
            self.running += 1
        elif "terminated" in state:
            self.stopped += 1
            self.succeeded += state["terminated"]["exitCode"] == 0
        elif ended is not None:
            self.stopped += 1
        else:
            self.waiting += 1


def _phase(pod: Object, groups: tuple[list[Object], list[Object]], memory: Memory) -> str:
    init, regular = groups
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return str(pod["status"]["phase"])  # a finished pod never comes back
    pending, failed, final = _initialization(pod, init, regular)
    counts = _Counts()
    for status in regular:
        counts.add(status)
    if failed and (memory.finished or final):
        return "Failed"
    if pending or counts.waiting or not (counts.running or counts.stopped):
        return "Failed" if memory.finished and "deletionTimestamp" in pod["metadata"] else "Pending"
    if counts.running:
        return "Running"
    specs = {item["name"]: item for item in pod["spec"]["containers"]}
    if not memory.finished and any(_again(pod, specs, status) for status in regular):
        return "Running"
    return "Succeeded" if counts.stopped == counts.succeeded else "Failed"


def _end(status: Object) -> Object | None:
    """How a container ended, last or the time before."""
    found: Object | None = status["state"].get("terminated")
    return found or (status.get("lastState") or {}).get("terminated")


def _again(pod: Object, specs: Mapping[str, Object], status: Object) -> bool:
    """Whether a container that has ended starts again."""
    ended = _end(status)
    if ended is None or ended.get("reason") == containerstatus.RESETTING.reason:
        return True
    return podactions.restarts_after(pod, specs.get(status["name"], {}), ended["exitCode"])


def _initialization(
    pod: Object, init: list[Object], regular: list[Object]
) -> tuple[bool, bool, bool]:
    """(still pending, failed, failed for good)."""
    if any("running" in (item.get("state") or {}) or _end(item) for item in regular):
        return False, False, False
    specs = {item["name"]: item for item in pod["spec"].get("initContainers", ())}
    pending = failed = final = False
    for status in init:
        spec, ended = specs.get(status["name"], {}), _end(status)
        if naming.is_sidecar(spec):
            pending = pending or not status.get("started")
        elif ended is None:
            pending = True
        elif ended["exitCode"] != 0:
            again = _again(pod, specs, status)
            failed, final, pending = True, final or not again, pending or again
    return pending, failed, final


def _conditions(
    pod: Object, state: PodState, known: tuple[str, list[Object], list[Object]], memory: Memory
) -> list[Object]:
    """Ours in upstream's order, then everybody else's as they are."""
    phase, init, regular = known
    old = {item["type"]: item for item in (pod.get("status") or {}).get("conditions", ())}
    network = state.sandbox is not None
    containers_ready = _containers_ready(regular, init, pod, phase)
    wanted = [
        ("PodReadyToStartContainers", (network, "", "")),
        ("Initialized", _initialized(pod, init, phase)),
        ("Ready", _ready(pod, containers_ready, old)),
        ("ContainersReady", containers_ready),
        ("PodScheduled", (True, "", "")),
    ]
    if may_restart_all(pod["spec"]):
        resetting = containerstatus.RESETTING in memory.waiting.values()
        why = ("RestartAllContainersStarted", "container exited with restart policy rule")
        known_as = (True, *why) if resetting else (False, "", "")
        wanted.append(("AllContainersRestarting", known_as))
    generation = pod["metadata"].get("generation")
    result = []
    for type_, (value, reason, message) in wanted:
        condition: Object = {"type": type_, "status": "True" if value else "False"}
        condition |= {"reason": reason} if reason else {}
        condition |= {"message": message} if message else {}
        condition |= {"observedGeneration": generation} if generation else {}
        result.append(condition)
    result += memory.conditions.values()
    taken = {*OWNED, *memory.conditions}
    others = [item for type_, item in old.items() if type_ not in taken]
    return [_timed(item, old, memory.now) for item in result] + others


def _timed(condition: Object, old: Mapping[str, Object], now: str) -> Object:
    before = old.get(condition["type"], {})
    same = before.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": (same and before.get("lastTransitionTime")) or now}


_Condition = tuple[bool, str, str]


def _initialized(pod: Object, init: list[Object], phase: str) -> _Condition:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    specs = {item["name"]: item for item in pod["spec"].get("initContainers", ())}
    incomplete = []
    for status in init:
        done = status.get("ready", False)
        if naming.is_sidecar(specs.get(status["name"], {})):
            done = bool(status.get("started"))
        if not done:
            incomplete.append(status["name"])
    if not incomplete:
        return True, "", ""
    listed = " ".join(incomplete)
    return False, "ContainersNotInitialized", f"containers with incomplete status: [{listed}]"


def _containers_ready(
    regular: list[Object], init: list[Object], pod: Object, phase: str
) -> _Condition:
    if phase == "Succeeded":
        return False, "PodCompleted", ""
    if phase == "Failed":
        return False, "PodFailed", ""
    specs = {item["name"]: item for item in pod["spec"].get("initContainers", ())}
    sidecars = [item for item in init if naming.is_sidecar(specs.get(item["name"], {}))]
    unready = [item["name"] for item in [*sidecars, *regular] if not item.get("ready")]
    if not unready:
        return True, "", ""
    return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _ready(pod: Object, containers: _Condition, conditions: Mapping[str, Object]) -> _Condition:
    if not containers[0]:
        return containers
    missing = []
    for gate in pod["spec"].get("readinessGates", ()):
        type_ = gate["conditionType"]
        found = conditions.get(type_)
        if found is None:
            missing.append(
                f'corresponding condition of pod readiness gate "{type_}" does not exist.'
            )
        elif found["status"] != "True":
            missing.append(
                f'the status of pod readiness gate "{type_}" is not "True", but {found["status"]}'
            )
    if missing:
        return False, "ReadinessGatesNotReady", ", ".join(missing)
    return True, "", ""
