# SPDX-License-Identifier: Apache-2.0
"""In-place resize: what a pod wants, what it is given, and what its cgroups say.

A wish that does not fit now waits (PodResizePending, Deferred). What is given is brought about at
once (PodResizeInProgress until it is): pod cgroup first where it grows, last where it shrinks.
"""

import json
from collections.abc import Sequence
from math import inf

from pybernetes.apimachinery.errors import aggregate
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import asked
from pybernetes.cri.types import Container, CriError
from pybernetes.kubelet import admission, naming
from pybernetes.kubelet.containers import resources
from pybernetes.kubelet.pods import podcgroup
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.record import Record
from pybernetes.kubelet.status import IN_PROGRESS, PENDING
from pybernetes.kubelet.tools import Tools
from pybernetes.linux import cgroups

RETRY = 10.0
_LISTS = ("initContainers", "containers")


class _Refused(Exception):
    """The text goes into the condition."""


def of(pod: Object) -> dict[str, Object]:
    """Resources by container, "" for the pod's own."""
    spec, own = pod["spec"], pod["spec"].get("resources")
    containers = [c for field in _LISTS for c in spec.get(field) or ()]  # ephemeral ones have none
    listed = {c["name"]: c.get("resources") or {} for c in containers}
    return listed if own is None else {"": own, **listed}


def given(pod: Object, allocated: dict[str, Object]) -> Object:
    """The pod with the resources it was given instead of those it wants."""
    if not allocated or of(pod) == allocated:
        return pod
    spec = dict(pod["spec"])
    for field in _LISTS:
        if spec.get(field):
            spec[field] = [
                {**c, "resources": allocated.get(c["name"], c.get("resources") or {})}
                for c in spec[field]
            ]
    if "" in allocated:
        spec["resources"] = allocated[""]
    return {**pod, "spec": spec}


def allocate(tools: Tools, record: Record, others: Sequence[Object]) -> None:
    """Give the pod what it wants, if that fits."""
    wanted = of(record.wanted)
    if wanted == record.allocated:
        record.conditions.pop(PENDING, None)
        return
    short = admission.resources(record.wanted, tools.node(), others)
    if short is not None:
        if record.note(PENDING, "Deferred", short[1]):
            text = _summary(record.wanted, "Pod resize Deferred", short[1])
            tools.event(record.pod, "Warning", "ResizeDeferred", text)
        return
    record.conditions.pop(PENDING, None)
    record.allocated, record.pod = wanted, record.wanted
    record.note(IN_PROGRESS, "", "")
    text = _summary(record.pod, "Pod resize started")
    tools.event(record.pod, "Normal", "ResizeStarted", text)


def _summary(pod: Object, prefix: str, error: str = "") -> str:
    listed = {
        field: [
            {"name": c["name"], "resources": c.get("resources") or {}} for c in pod["spec"][field]
        ]
        for field in _LISTS
        if pod["spec"].get(field)
    }
    more = {"error": error} if error else {}
    said = {**listed, "generation": pod["metadata"].get("generation", 0), **more}
    return f"{prefix}: {json.dumps(said, separators=(',', ':'))}"


def restarts(record: Record, container: Object) -> bool:
    """Whether a container's new resources need a restart (its resizePolicy)."""
    old, new = record.resources.get(container["name"]), container.get("resources") or {}
    if old is None or old == new:
        return False
    return any(
        (old.get(kind) or {}).get(rule["resourceName"])
        != (new.get(kind) or {}).get(rule["resourceName"])
        for rule in container.get("resizePolicy") or ()
        if rule.get("restartPolicy") == "RestartContainer"
        for kind in ("requests", "limits")
    )


async def make_room(tools: Tools, record: Record) -> None:
    """The pod's cgroup grows before a container is started with what it was newly given."""
    if IN_PROGRESS in record.conditions and not tools.runtime.hollow:
        await tools.env.offload.run(podcgroup.create, tools.config, record.pod)


async def apply(tools: Tools, record: Record, state: PodState) -> float:
    """Bring cgroups in line with what was given. Seconds until the next try; mostly infinite."""
    pod, due = record.pod, []
    own = pod["spec"].get("resources") or {}
    whole = record.resources.setdefault("", own) != own  # of which containers have a share
    for spec in naming.containers_of(pod):
        running = state.active(spec["name"])
        wanted = spec.get("resources") or {}
        if running is None or running.state != "running":
            continue
        if whole or record.resources.setdefault(spec["name"], wanted) != wanted:
            due.append((spec, running))
    if IN_PROGRESS not in record.conditions and not due:
        return inf
    try:
        await _actuate(tools, record, due)
    except (CriError, _Refused) as error:
        if record.note(IN_PROGRESS, "Error", str(error)):
            text = _summary(pod, "Pod resize error", str(error))
            tools.event(pod, "Warning", "ResizeError", text)
            record.dirty = True
        return RETRY
    done = record.conditions.pop(IN_PROGRESS, None)
    if done is not None:
        tools.event(pod, "Normal", "ResizeCompleted", _summary(pod, "Pod resize completed"))
    record.dirty = True
    return inf


async def _actuate(tools: Tools, record: Record, due: Sequence[tuple[Object, Container]]) -> None:
    """Raises CriError, _Refused."""
    pod, offload, real = record.pod, tools.env.offload, not tools.runtime.hollow
    if real:
        await offload.run(_check_memory, tools, pod, due)
        await offload.run(podcgroup.create, tools.config, pod)  # what grows; what shrinks may fail
    for spec, running in due:
        linux = resources.linux(pod, spec, tools.memory)
        await tools.runtime.update_resources(running.id, linux)
        record.resources[spec["name"]] = spec.get("resources") or {}
    record.resources[""] = pod["spec"].get("resources") or {}
    failed = await offload.run(podcgroup.create, tools.config, pod) if real else []
    if failed:
        raise _Refused(f"failed to set pod cgroup config: {', '.join(failed)}")


def _check_memory(tools: Tools, pod: Object, due: Sequence[tuple[Object, Container]]) -> None:
    """Refuse limits below what is in use. Raises _Refused."""
    parent, wrong = naming.cgroup(tools.config, pod), []
    rows = [("pod", parent, podcgroup.limits(pod).memory or -1)]
    for spec, running in due:
        limit = asked(spec, "limits").get("memory", 0)
        rows.append((f'container "{spec["name"]}"', f"{parent}/{running.id}", limit))
    for what, cgroup, limit in rows:
        used = cgroups.usage(cgroup).memory
        if 0 < limit <= used:
            wrong.append(
                f"attempting to set {what} memory limit ({limit}) below current usage ({used})"
            )
    if wrong:
        raise _Refused(f"cannot decrease memory limits: {aggregate(wrong)}")
