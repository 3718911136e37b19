# SPDX-License-Identifier: Apache-2.0
"""Cells of Pod's Table output: what `kubectl get pods` shows."""

import datetime
from dataclasses import dataclass
from typing import Any

from pybernetes.apimachinery import meta, timestamps
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.columns import look
from pybernetes.apis.core.pod.status import is_finished


@dataclass
class _Summary:
    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""
    initializing: bool = False

    def count(self, status: Object) -> None:
        self.restarts += status.get("restartCount") or 0
        finished = look(status, "lastState", "terminated", "finishedAt") or ""
        self.last_restart = max(self.last_restart, finished)


def _restartable(container: Object | None) -> bool:
    return bool(container) and (container or {}).get("restartPolicy") == "Always"


def _end(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _init_reason(status: Object, number: int, total: int) -> str:
    state = status.get("state") or {}
    if state.get("terminated") is not None:
        return f"Init:{_end(state['terminated'])}"
    waiting = (state.get("waiting") or {}).get("reason")
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{number}/{total}"


def _look_at_init(pod: Object, found: _Summary) -> _Summary:
    """Go through init containers up to the first unfinished one; the counts of sidecars alone."""
    containers = {one["name"]: one for one in pod["spec"].get("initContainers") or ()}
    sidecars = _Summary("", 0)
    for number, status in enumerate(look(pod, "status", "initContainerStatuses") or ()):
        found.count(status)
        sidecar = _restartable(containers.get(status.get("name")))
        if sidecar:
            sidecars.count(status)
        terminated = look(status, "state", "terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and status.get("started"):
            found.ready += bool(status.get("ready"))
            continue
        found.reason = _init_reason(status, number, len(containers))
        found.initializing = True
        break
    return sidecars


def _look_at_containers(pod: Object, found: _Summary) -> None:
    running = False
    failure = ""
    for status in reversed(look(pod, "status", "containerStatuses") or []):
        found.count(status)
        state = status.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            found.reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            found.reason = _end(state["terminated"])
            if state["terminated"].get("exitCode"):
                failure = found.reason
        elif status.get("ready") and state.get("running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed":
        if running and conditions.has(pod, "Ready"):
            found.reason = "Running"
        elif failure or running:
            found.reason = failure or "NotReady"


def summarize(pod: Object) -> _Summary:
    """Readiness, reason and restarts of a pod, as kubectl shows them."""
    status = pod.get("status") or {}
    spec = pod["spec"]
    sidecars = sum(map(_restartable, spec.get("initContainers") or ()))
    found = _Summary(status.get("reason") or status.get("phase") or "", 0)
    found.total = len(spec.get("containers") or ()) + sidecars
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            found.reason = "SchedulingGated"
    of_sidecars = _look_at_init(pod, found)
    if not found.initializing or conditions.has(pod, "Initialized"):
        found.restarts, found.last_restart = of_sidecars.restarts, of_sidecars.last_restart
        _look_at_containers(pod, found)
    if meta.is_deleting(pod):
        if status.get("reason") == "NodeLost":
            found.reason = "Unknown"
        elif not is_finished(pod):
            found.reason = "Terminating"
    return found


def restarts(pod: Object, now: datetime.datetime) -> str:
    found = summarize(pod)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({timestamps.age(found.last_restart, now)} ago)"
    return str(found.restarts)


def ready(pod: Object, _: datetime.datetime) -> str:
    found = summarize(pod)
    return f"{found.ready}/{found.total}"


def gates(pod: Object, _: datetime.datetime) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    passed = sum(conditions.has(pod, gate["conditionType"]) for gate in gates)
    return f"{passed}/{len(gates)}" if gates else "<none>"


def status(pod: Object, _: datetime.datetime) -> Any:
    return summarize(pod).reason
