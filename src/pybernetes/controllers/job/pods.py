# SPDX-License-Identifier: Apache-2.0
"""The pods of a Job: made, sorted by state, and how long to wait after failures. Pure."""

import datetime
from collections.abc import Iterable, Mapping, Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import phase
from pybernetes.controllers.job.indexes import INDEX, index_of
from pybernetes.controllers.runtime.pods import from_template

FINALIZER = "batch.kubernetes.io/job-tracking"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
_MAX_PREFIX = 57  # of a generated name
_BACK_OFF = (10.0, 600.0)  # seconds: first, longest


def new_pod(job: Object, failures: Mapping[int, int], index: int) -> Object:
    """A pod of the job; with `index` >= 0 the one for that completion index.

    `failures`: how often each index has failed already.
    """
    pod = from_template(job, job["spec"]["template"])
    metadata = pod["metadata"]
    metadata["finalizers"] = [*metadata.get("finalizers", ()), FINALIZER]
    if index < 0:
        return pod
    name = f"{meta.name(job)}-{index}"
    metadata["generateName"] = f"{name[:_MAX_PREFIX]}-"
    metadata["annotations"] = {**meta.annotations(pod), INDEX: str(index)}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        metadata["annotations"][FAILURES] = str(failures.get(index, 0))
    metadata["labels"] = {**meta.labels(pod), INDEX: str(index)}
    spec = pod["spec"]
    spec["hostname"] = name
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
    }
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or ():
            own = container.get("env") or []
            if all(one["name"] != variable["name"] for one in own):
                container["env"] = [*own, variable]
    return pod


def tracked(pod: Object) -> bool:
    """True while the pod may not go before it is counted."""
    return meta.has_finalizer(pod, FINALIZER)


def counts_as_failed(job: Object, pod: Object) -> bool:
    """A pod that is going without having succeeded has failed, unless only real ends count."""
    if phase(pod) == "Failed":
        return True
    return not waits_for_end(job) and meta.is_deleting(pod) and phase(pod) != "Succeeded"


def waits_for_end(job: Object) -> bool:
    """True if a terminating pod is replaced only once it has failed."""
    spec = job["spec"]
    replaced = spec.get("podReplacementPolicy") == "Failed"
    return replaced or spec.get("podFailurePolicy") is not None


def ended_at(pod: Object) -> datetime.datetime | None:
    """When its last container ended (or its deletion, or its last condition says so)."""
    status = pod.get("status") or {}
    times = [
        ended["finishedAt"]
        for container in status.get("containerStatuses") or ()
        if (ended := (container.get("state") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    if not times:
        times = [one for one in [pod["metadata"].get("deletionTimestamp")] if one]
    if not times:
        conditions = status.get("conditions") or ()
        times = [one["lastTransitionTime"] for one in conditions if one.get("lastTransitionTime")]
    return max(map(parse, times)) if times else None


def back_off(
    failed: Iterable[Object], succeeded: Sequence[Object], now: datetime.datetime
) -> float:
    """Seconds until the next pod may be made: 10, 20, 40, ... after failures in a row."""
    last_good = max(filter(None, map(ended_at, succeeded)), default=None)
    times = [when for when in map(ended_at, failed) if when and (not last_good or when > last_good)]
    if not times:
        return 0.0
    wait = min(_BACK_OFF[0] * 2.0 ** min(len(times) - 1, 16), _BACK_OFF[1])
    return max(0.0, wait - (now - max(times)).total_seconds())


def failure_count(pod: Object) -> int:
    """How many pods of this index failed before this one."""
    text = meta.annotations(pod).get(FAILURES, "")
    return int(text) if text.isdigit() else 0


def next_failures(pods: Iterable[Object], job: Object) -> dict[int, int]:
    """By index, what the next pod's failure count is."""
    found: dict[int, int] = {}
    for pod in pods:
        if counts_as_failed(job, pod):
            index = index_of(pod)
            found[index] = max(found.get(index, 0), failure_count(pod) + 1)
    return found
