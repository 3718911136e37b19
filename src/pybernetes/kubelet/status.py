# SPDX-License-Identifier: Apache-2.0
"""PodStatus from spec, runtime state and what the kubelet remembers. Pure.

Phase, conditions and container states follow upstream's generateAPIPodStatus.
"""

import copy
from collections.abc import Mapping, Sequence

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import Amounts, pod_limits, pod_requests
from pybernetes.apis.core.pod.status import is_finished, may_restart_all
from pybernetes.kubelet import containerstatus, naming, podactions
from pybernetes.kubelet.containerstatus import Facts
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.record import RESETTING, Record, condition

PENDING, IN_PROGRESS = RESIZE = ("PodResizePending", "PodResizeInProgress")  # there only while true
OWNED = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    "AllContainersRestarting", *RESIZE,
)  # fmt: skip


def generate(pod: Object, state: PodState, record: Record, facts: Facts) -> Object:
    """The whole status object. `pod` is the record's, with the newest status that is known."""
    old = pod.get("status") or {}
    if record.rejected is not None:
        return _rejected(old, pod, record)
    status: Object = {"phase": ""}
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    lists = {
        field: containerstatus.statuses(pod, state, (record, facts), group)
        for group, field in naming.STATUSES.items()
    }
    init, regular = lists["initContainerStatuses"], lists["containerStatuses"]
    ended = record.failed is not None and not state.running  # not before all has stopped
    status["phase"] = "Failed" if ended else _phase(pod, (init, regular), record)
    if status["phase"] == "Succeeded" and state.running:
        status["phase"] = old.get("phase") or "Pending"  # sidecars still end
    known = (status["phase"], init, regular)
    status["conditions"] = _conditions(pod, state, known, (record, facts))
    _addresses(status, pod, state, facts.node_ips)
    status["startTime"] = old.get("startTime") or record.start_time
    status |= {field: items for field, items in lists.items() if items}
    for kept in ("reason", "message", "resize", "nominatedNodeName", "resourceClaimStatuses"):
        if kept in old:
            status[kept] = old[kept]
    if record.failed and ended:
        status["reason"], status["message"] = record.failed
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


def _rejected(old: Object, pod: Object, record: Record) -> Object:
    reason, message = record.rejected or ("", "")
    status = copy.deepcopy(old)
    status.update(phase="Failed", reason=reason, message=message)
    status.setdefault("startTime", record.start_time)
    if pod["metadata"].get("generation"):
        status["observedGeneration"] = pod["metadata"]["generation"]
    return status


def _addresses(status: Object, pod: Object, state: PodState, node_ips: Sequence[str]) -> None:
    if node_ips:
        status["hostIP"] = node_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in node_ips]
    ips: Sequence[str] = state.ips
    if pod["spec"].get("hostNetwork"):
        ips = node_ips if state.sandbox else ()
    if not ips and state.sandboxes and not state.sandbox:
        old = (pod.get("status") or {}).get("podIPs", ())  # a finished pod keeps its address
        ips = [item["ip"] for item in old]
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]


def _kind(status: Object) -> str:
    """running, waiting, succeeded or failed: what a container counts as."""
    state, ended = status.get("state") or {}, _end(status)
    resetting = (state.get("waiting") or {}).get("reason") == RESETTING.reason
    if "running" in state or resetting:
        return "running"
    if ended is None:
        return "waiting"
    return "succeeded" if "terminated" in state and ended["exitCode"] == 0 else "failed"


def _phase(pod: Object, groups: tuple[list[Object], list[Object]], record: Record) -> str:
    init, regular = groups
    if is_finished(pod):
        return str(pod["status"]["phase"])  # a finished pod never comes back
    pending, failed, final = _initialization(pod, init, regular)
    kinds = {_kind(status) for status in regular}
    if failed and (record.starts_nothing or final):
        return "Failed"
    if pending or "waiting" in kinds or not kinds:
        return "Failed" if record.ending else "Pending"
    if "running" in kinds:
        return "Running"
    if not record.starts_nothing and any(_again(pod, status) for status in regular):
        return "Running"
    return "Failed" if "failed" in kinds else "Succeeded"


def _end(status: Object) -> Object | None:
    """How a container ended, last or the time before."""
    states = (status.get("state") or {}, status.get("lastState") or {})
    found = (state["terminated"] for state in states if state.get("terminated"))
    return next(found, None)


def _spec(pod: Object, status: Object) -> Object:
    return naming.find_container(pod, status["name"]) or {}


def _again(pod: Object, status: Object) -> bool:
    """Whether a container that has ended starts again."""
    ended = _end(status)
    if ended is None or ended.get("reason") == RESETTING.reason:
        return True
    return podactions.restarts_after(pod, _spec(pod, status), ended["exitCode"])


def _initialization(
    pod: Object, init: list[Object], regular: list[Object]
) -> tuple[bool, bool, bool]:
    """(still pending, failed, failed for good)."""
    if any("running" in (item.get("state") or {}) or _end(item) for item in regular):
        return False, False, False
    pending = failed = final = False
    for status in init:
        ended = _end(status)
        if naming.is_sidecar(_spec(pod, status)):
            pending = pending or not status.get("started")
        elif ended is None:
            pending = True
        elif ended["exitCode"] != 0:
            again = _again(pod, status)
            failed, final, pending = True, final or not again, pending or again
    return pending, failed, final


def _conditions(
    pod: Object,
    state: PodState,
    known: tuple[str, list[Object], list[Object]],
    more: tuple[Record, Facts],
) -> list[Object]:
    """Ours in upstream's order, then everybody else's as they are."""
    (phase, init, regular), (record, facts) = known, more
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
        resetting = RESETTING in record.waiting.values()
        why = ("RestartAllContainersStarted", "container exited with restart policy rule")
        known_as = (True, *why) if resetting else (False, "", "")
        wanted.append(("AllContainersRestarting", known_as))
    result = [condition(pod, type_, what) for type_, what in wanted]
    result += record.conditions.values()
    taken = {*OWNED, *record.conditions}
    others = [item for type_, item in old.items() if type_ not in taken]
    return [_timed(item, old, facts.now) for item in result] + others


def _timed(condition: Object, old: Mapping[str, Object], now: str) -> Object:
    before = old.get(condition["type"], {})
    same = before.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": (same and before.get("lastTransitionTime")) or now}


_Condition = tuple[bool, str, str]


def _initialized(pod: Object, init: list[Object], phase: str) -> _Condition:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    incomplete = [
        status["name"]
        for status in init
        if not status.get("started" if naming.is_sidecar(_spec(pod, status)) else "ready")
    ]
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
    sidecars = [item for item in init if naming.is_sidecar(_spec(pod, item))]
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
