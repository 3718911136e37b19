# SPDX-License-Identifier: Apache-2.0
"""ContainerStatus from spec, runtime state and what the kubelet remembers. Pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container
from pybernetes.kubelet import naming
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.record import RESETTING, Record, Waiting


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a pod beside spec, runtime and record. Probe results by container id."""

    now: str
    node_ips: Sequence[str] = ()
    ready: Mapping[str, bool] = field(default_factory=dict)
    started: Mapping[str, bool] = field(default_factory=dict)
    runtime: str = "containerd"  # the scheme of container ids


Known = tuple[Record, Facts]


def statuses(pod: Object, state: PodState, known: Known, group: str) -> list[Object]:
    """One status for each container of spec[group], in upstream's (alphabetical) order."""
    result = [_status(pod, spec, state, known) for spec in pod["spec"].get(group, ())]
    if group == "initContainers":
        return result  # in spec order
    return sorted(result, key=lambda item: str(item["name"]))


def _status(pod: Object, spec: Object, state: PodState, known: Known) -> Object:
    record, facts = known
    name = spec["name"]
    old = naming.find_status(pod, name) or {}
    current = state.latest(name)
    if current is None:
        return _absent(pod, spec, old, record)
    status: Object = {
        "name": name,
        "state": _state(current, known),
        "lastState": {},
        "ready": False,
        "restartCount": naming.restart_count(current),
        "image": current.image or spec.get("image", ""),
        "imageID": current.image_ref,
        "containerID": f"{facts.runtime}://{current.id}",
        "started": False,
    }
    previous = state.previous(name)
    if previous is not None and previous.state == "exited":
        status["lastState"] = _state(previous, known)
    elif name in record.attempts:
        status["lastState"] = _RESET
    elif old.get("lastState") and old.get("containerID") == status["containerID"]:
        status["lastState"] = old["lastState"]
    waiting = record.waiting.get(name)
    if waiting is not None and current.state != "running" and not record.starts_nothing:
        status["lastState"] = status["state"] if current.state == "exited" else status["lastState"]
        status["state"] = {"waiting": _waiting(waiting)}
    if "running" in status["state"]:
        status["started"] = facts.started.get(current.id, False)
        status["ready"] = bool(status["started"] and facts.ready.get(current.id, False))
    if spec in pod["spec"].get("initContainers", ()) and not naming.is_sidecar(spec):
        ended = status["state"].get("terminated")
        status["ready"] = ended is not None and ended["exitCode"] == 0
    _resources(status, spec, record)
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


def _resources(status: Object, spec: Object, record: Record) -> None:
    """What the container really runs with."""
    resources = record.resources.get(status["name"]) or spec.get("resources") or {}
    if "running" in status["state"]:
        status["resources"] = {k: v for k, v in resources.items() if k in ("requests", "limits")}
        requests = resources.get("requests")
        if requests:
            status["allocatedResources"] = requests


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


def _state(container: Container, known: Known) -> Object:
    record, facts = known
    if container.state == "running":
        return {"running": {"startedAt": _time(container.started_at or container.created_at)}}
    if container.state == "created":
        return {"waiting": {"reason": "ContainerCreating"}}
    ended: Object = {
        "exitCode": container.exit_code if container.state == "exited" else 137,
        "reason": container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        "startedAt": _time(container.started_at),
        "finishedAt": _time(container.finished_at),
        "containerID": f"{facts.runtime}://{container.id}",
    }
    if container.state == "unknown":
        ended["reason"] = "ContainerStatusUnknown"
    message = record.messages.get(container.id) or container.message
    if message:
        ended["message"] = message
    return {"terminated": ended}


def _absent(pod: Object, spec: Object, old: Object, record: Record) -> Object:
    """The status of a container that the runtime does not have."""
    status: Object = {
        "name": spec["name"],
        "state": {"waiting": {"reason": _default_reason(pod, spec)}},
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
    waiting = record.waiting.get(spec["name"])
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


def _default_reason(pod: Object, spec: Object) -> str:
    ephemeral = spec in pod["spec"].get("ephemeralContainers", ())
    initializes = pod["spec"].get("initContainers") and not ephemeral
    return "PodInitializing" if initializes else "ContainerCreating"
