# SPDX-License-Identifier: Apache-2.0
"""ContainerStatus from spec, runtime state and what the kubelet remembers. Pure."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container
from pybernetes.kubelet import naming
from pybernetes.kubelet.podstate import PodState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not start (upstream's reason and message)."""

    reason: str
    message: str = ""


RESETTING = Waiting(
    "RestartingAllContainers", "The container is removed because RestartAllContainers in place"
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the kubelet knows of a pod beside spec and runtime.

    waiting: why a container's last start failed (kept until it starts). ready, started: probe
    results by container id. rejected: (reason, message) of node admission or eviction.
    """

    now: str
    start_time: str
    node_ips: Sequence[str] = ()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    ready: Mapping[str, bool] = field(default_factory=dict)
    started: Mapping[str, bool] = field(default_factory=dict)
    rejected: tuple[str, str] | None = None
    failed: tuple[str, str] | None = None  # (reason, message): what runs is being ended
    runtime: str = "containerd"  # the scheme of container ids
    reset: Collection[str] = ()  # containers that were removed to begin anew
    finished: bool = False  # nothing will be started any more
    messages: Mapping[str, str] = field(default_factory=dict)  # termination messages by id
    resources: Mapping[str, Object] = field(default_factory=dict)  # actuated, by name
    conditions: Mapping[str, Object] = field(default_factory=dict)  # more of them, by type


def statuses(pod: Object, state: PodState, memory: Memory, group: str) -> list[Object]:
    """One status for each container of spec[group], in upstream's (alphabetical) order."""
    specs = pod["spec"].get(group, ())
    old = {item["name"]: item for item in _old_statuses(pod, group)}
    result = [_status(pod, spec, state, (memory, group, old)) for spec in specs]
    if group == "initContainers":
        return result  # in spec order
    return sorted(result, key=lambda item: str(item["name"]))


_FIELDS = {
    "initContainers": "initContainerStatuses",
    "containers": "containerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}


def _old_statuses(pod: Object, group: str) -> list[Object]:
    return (pod.get("status") or {}).get(_FIELDS[group]) or []


def _status(
    pod: Object, spec: Object, state: PodState, rest: tuple[Memory, str, Mapping[str, Object]]
) -> Object:
    memory, group, olds = rest
    name, old = spec["name"], olds.get(spec["name"], {})
    current = state.latest(name)
    if current is None:
        return _absent(pod, spec, old, (memory, group))
    status: Object = {
        "name": name,
        "state": _state(current, memory),
        "lastState": {},
        "ready": False,
        "restartCount": _restarts(current),
        "image": current.image or spec.get("image", ""),
        "imageID": current.image_ref,
        "containerID": f"{memory.runtime}://{current.id}",
        "started": False,
    }
    previous = state.previous(name)
    if previous is not None and previous.state == "exited":
        status["lastState"] = _state(previous, memory)
    elif name in memory.reset:
        status["lastState"] = _RESET
    elif old.get("lastState") and old.get("containerID") == status["containerID"]:
        status["lastState"] = old["lastState"]
    waiting = memory.waiting.get(name)
    if waiting is not None and current.state != "running" and not memory.finished:
        status["lastState"] = status["state"] if current.state == "exited" else status["lastState"]
        status["state"] = {"waiting": _waiting(waiting)}
    if "running" in status["state"]:
        status["started"] = memory.started.get(current.id, False)
        status["ready"] = bool(status["started"] and memory.ready.get(current.id, False))
    if group == "initContainers" and not naming.is_sidecar(spec):
        ended = status["state"].get("terminated")
        status["ready"] = ended is not None and ended["exitCode"] == 0
    _resources(status, spec, memory)
    _what_was_asked(status, spec)
    return status


def _what_was_asked(status: Object, spec: Object) -> None:
    """Mounts and the stop signal, as they are done."""
    rows = []
    for mount in spec.get("volumeMounts", ()):
        row: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            wished = mount.get("recursiveReadOnly") or "Disabled"
            row |= {"readOnly": True, "recursiveReadOnly": wished.replace("IfPossible", "Enabled")}
        rows.append(row)
    status |= {"volumeMounts": rows} if rows else {}
    signal = (spec.get("lifecycle") or {}).get("stopSignal")
    status |= {"stopSignal": signal} if signal else {}


def _resources(status: Object, spec: Object, memory: Memory) -> None:
    """What the container really runs with."""
    resources = memory.resources.get(status["name"]) or spec.get("resources") or {}
    if "running" in status["state"]:
        status["resources"] = {k: v for k, v in resources.items() if k in ("requests", "limits")}
        requests = resources.get("requests")
        if requests:
            status["allocatedResources"] = requests


def _restarts(container: Container) -> int:
    text = container.annotations.get(naming.RESTART_COUNT, "")
    return int(text) if text.isdigit() else container.attempt


def _waiting(waiting: Waiting) -> Object:
    result = {"reason": waiting.reason}
    if waiting.message:
        result["message"] = waiting.message
    return result


_RESET = {"terminated": {**_waiting(RESETTING), "exitCode": 137}}


def _time(nanoseconds: int) -> str | None:
    if nanoseconds <= 0:
        return None
    return rfc3339(datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC))


def _state(container: Container, memory: Memory) -> Object:
    if container.state == "running":
        return {"running": {"startedAt": _time(container.started_at or container.created_at)}}
    if container.state == "created":
        return {"waiting": {"reason": "ContainerCreating"}}
    ended: Object = {
        "exitCode": container.exit_code if container.state == "exited" else 137,
        "reason": container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        "startedAt": _time(container.started_at),
        "finishedAt": _time(container.finished_at),
        "containerID": f"{memory.runtime}://{container.id}",
    }
    if container.state == "unknown":
        ended["reason"] = "ContainerStatusUnknown"
    message = memory.messages.get(container.id) or container.message
    if message:
        ended["message"] = message
    return {"terminated": ended}


def _absent(pod: Object, spec: Object, old: Object, rest: tuple[Memory, str]) -> Object:
    """The status of a container that the runtime does not have."""
    memory, group = rest
    status: Object = {
        "name": spec["name"],
        "state": {"waiting": {"reason": _default_reason(pod, group)}},
        "lastState": old.get("lastState") or {},
        "ready": False,
        "restartCount": old.get("restartCount", 0),
        "image": spec.get("image", ""),
        "imageID": old.get("imageID", ""),
        "started": False,
    }
    before = old.get("state") or {}
    if "terminated" in before:
        status.update({k: old[k] for k in ("state", "image", "containerID", "ready") if k in old})
    elif "running" in before:
        status["state"] = {"terminated": _lost(old)}
    waiting = memory.waiting.get(spec["name"])
    reset = waiting is not None and waiting.reason == RESETTING.reason
    if reset:
        status["lastState"] = _RESET
    if waiting is not None and (reset or "terminated" not in status["state"]):
        status["state"] = {"waiting": _waiting(waiting)}
    return status


def _lost(old: Object) -> Object:
    """What is said of a container that ran and vanished."""
    ended: Object = {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": None,
        "finishedAt": None,
    }
    if old.get("containerID"):
        ended["containerID"] = old["containerID"]
    return ended


def _default_reason(pod: Object, group: str) -> str:
    if group == "ephemeralContainers" or not pod["spec"].get("initContainers"):
        return "ContainerCreating"
    return "PodInitializing"
