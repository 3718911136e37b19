# SPDX-License-Identifier: Apache-2.0
"""Decides for one Job: what to count, whether it is over, and which pods to make or delete. Pure.

Source: upstream's job controller (syncJob, trackJobStatusAndRemoveFinalizers, manageJob). A pod that
ended is first noted by UID (uncountedTerminatedPods), then loses its finalizer, then is counted: a
crash between any two of these steps counts nothing twice and loses nothing.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_finished, is_ready, phase
from pybernetes.controllers.job import indexes, pods, policies
from pybernetes.controllers.job.indexes import index_of

BURST = 500
_INTERIM = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}  # what each leads to


@dataclass(frozen=True, slots=True)
class End:
    """How a job ends: `type` Complete or Failed, and why."""

    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Facts:
    """A job's pods, sorted; `succeeded` and `failed` count everything that ended until now."""

    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)
    done: list[Object] = field(default_factory=list)  # succeeded ones that are still there
    lost: list[Object] = field(default_factory=list)  # failed ones that are still there
    release: list[Object] = field(default_factory=list)  # lose their finalizer now
    uncounted: dict[str, list[str]] = field(default_factory=dict)
    succeeded: int = 0
    failed: int = 0
    base: dict[str, int] = field(default_factory=dict)  # counted for good
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    policy_failure: str = ""


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def look(job: Object, owned: Sequence[Object]) -> Facts:
    """Sort pods and bring the counts up to date."""
    facts, status, limit = Facts(), job.get("status") or {}, job["spec"].get("completions") or 0
    facts.completed = indexes.parse(status.get("completedIndexes") or "", limit)
    facts.failed_indexes = indexes.parse(status.get("failedIndexes") or "", limit)
    noted = status.get("uncountedTerminatedPods") or {}
    by_uid = {meta.uid(pod): pod for pod in owned}
    facts.base = {kind: status.get(kind) or 0 for kind in ("succeeded", "failed")}
    for kind in ("succeeded", "failed"):
        facts.uncounted[kind] = []
        for uid in noted.get(kind) or ():
            if uid in by_uid and pods.tracked(by_uid[uid]):
                facts.uncounted[kind].append(uid)
            else:
                facts.base[kind] += 1
    for pod in owned:
        _sort(job, pod, facts)
    if is_indexed(job):
        facts.base["succeeded"] = facts.succeeded = len(facts.completed)
    else:
        facts.succeeded = facts.base["succeeded"] + len(facts.uncounted["succeeded"])
    facts.failed = facts.base["failed"] + len(facts.uncounted["failed"])
    return facts


def _sort(job: Object, pod: Object, facts: Facts) -> None:
    if not is_finished(pod):
        if meta.is_deleting(pod):
            facts.terminating.append(pod)
        else:
            facts.active.append(pod)
    if phase(pod) == "Succeeded":
        facts.done.append(pod)
        _note(job, pod, facts, "succeeded")
    elif pods.counts_as_failed(job, pod):
        facts.lost.append(pod)
        _note(job, pod, facts, "failed")


def _note(job: Object, pod: Object, facts: Facts, kind: str) -> None:
    if not pods.tracked(pod):
        return
    facts.release.append(pod)
    index = index_of(pod) if is_indexed(job) else -1
    if kind == "failed":
        action, message = policies.failure_action(job, pod)
        if action == "FailJob" and not facts.policy_failure:
            facts.policy_failure = message
        if action != "Ignore" and _index_is_lost(job, pod, index, action):
            facts.failed_indexes.add(index)
        if action == "Ignore":
            return
    elif 0 <= index < (job["spec"].get("completions") or 0):
        facts.completed.add(index)
    uid = meta.uid(pod)
    if uid not in facts.uncounted[kind]:
        facts.uncounted[kind].append(uid)


def _index_is_lost(job: Object, pod: Object, index: int, action: str) -> bool:
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None or index < 0:
        return False
    return action == "FailIndex" or pods.failure_count(pod) >= limit


def decide_end(job: Object, facts: Facts, now: datetime.datetime) -> End | None:
    """Whether the job is (about to be) over. What was decided once stays decided."""
    known = conditions.first_true(job, *_INTERIM)
    if known is not None:
        final = _INTERIM[known["type"]]
        return End(final, known.get("reason", ""), known.get("message", ""))
    return _failed(job, facts, now) or _succeeded(job, facts)


def _failed(job: Object, facts: Facts, now: datetime.datetime) -> End | None:
    spec = job["spec"]
    if facts.policy_failure:
        return End("Failed", "PodFailurePolicy", facts.policy_failure)
    limit = spec.get("backoffLimit", 6)
    if facts.failed > limit or _restarted_too_often(job, facts, limit):
        text = "Job has reached the specified backoff limit"
        return End("Failed", "BackoffLimitExceeded", text)
    left = deadline_in(job, now)
    if left is not None and left <= 0:
        text = "Job was active longer than specified deadline"
        return End("Failed", "DeadlineExceeded", text)
    if is_indexed(job) and spec.get("backoffLimitPerIndex") is not None:
        most = spec.get("maxFailedIndexes")
        if most is not None and len(facts.failed_indexes) > most:
            text = "Job has exceeded the specified maximal number of failed indexes"
            return End("Failed", "MaxFailedIndexesExceeded", text)
        over = len(facts.failed_indexes | facts.completed) >= (spec.get("completions") or 0)
        if facts.failed_indexes and over:
            return End("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _restarted_too_often(job: Object, facts: Facts, limit: int) -> bool:
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in facts.active:
        status = pod.get("status") or {}
        for group in ("initContainerStatuses", "containerStatuses"):
            restarts += sum(one.get("restartCount") or 0 for one in status.get(group) or ())
    return restarts > 0 if limit == 0 else restarts >= limit


def _succeeded(job: Object, facts: Facts) -> End | None:
    if is_indexed(job):
        text = policies.success_message(job, facts.completed)
        if text:
            return End("Complete", "SuccessPolicy", text)
    completions = job["spec"].get("completions")
    if completions is None:
        met = facts.succeeded > 0 and not facts.active
    else:
        met = facts.succeeded >= completions
    text = "Reached expected number of succeeded pods"
    return End("Complete", "CompletionsReached", text) if met else None


def deadline_in(job: Object, now: datetime.datetime) -> float | None:
    """Seconds until activeDeadlineSeconds is over; None if it does not run."""
    seconds = job["spec"].get("activeDeadlineSeconds")
    start = (job.get("status") or {}).get("startTime")
    if seconds is None or not start or job["spec"].get("suspend"):
        return None
    return float(seconds - (now - parse(start)).total_seconds())


@dataclass(frozen=True, slots=True)
class Todo:
    """`create`: completion indexes, or -1 for each pod of a job without them. `wait`: seconds."""

    create: list[int]
    delete: list[Object]
    wait: float = 0.0


def plan_pods(job: Object, facts: Facts, now: datetime.datetime) -> Todo:
    """Pods to make and to delete while the job is not over."""
    spec = job["spec"]
    if spec.get("suspend"):
        return Todo([], facts.active)
    extra = _superfluous(job, facts) if is_indexed(job) else []
    active = [pod for pod in facts.active if pod not in extra]
    wanted, completions = spec.get("parallelism", 1), spec.get("completions")
    if completions is None:
        wanted = len(active) if facts.succeeded else wanted
    else:
        left = completions - facts.succeeded - len(facts.failed_indexes)
        wanted = min(wanted, max(0, left))
    if len(active) > wanted:
        return Todo([], [*extra, *sorted(active, key=_rank)[: len(active) - wanted]])
    awaited = len(facts.terminating) if pods.waits_for_end(job) else 0
    missing = min(max(0, wanted - len(active) - awaited), BURST)
    if not missing:
        return Todo([], extra)
    if spec.get("backoffLimitPerIndex") is None:
        wait = pods.back_off(facts.lost, facts.done, now)
        if wait > 0:
            return Todo([], extra, wait)
    if not is_indexed(job):
        return Todo([-1] * missing, extra)
    return _by_index(job, facts, missing, extra, now=now)


def _by_index(
    job: Object, facts: Facts, missing: int, extra: list[Object], *, now: datetime.datetime
) -> Todo:
    taken = {index_of(pod) for pod in facts.active if pod not in extra}
    if pods.waits_for_end(job):
        taken |= {index_of(pod) for pod in facts.terminating}
    taken |= facts.completed | facts.failed_indexes
    free = [index for index in range(job["spec"]["completions"]) if index not in taken]
    chosen: list[int] = []
    waits: list[float] = []
    for index in free:
        wait = 0.0
        if job["spec"].get("backoffLimitPerIndex") is not None:
            mine = [pod for pod in facts.lost if index_of(pod) == index]
            wait = pods.back_off(mine, (), now)
        if wait > 0:
            waits.append(wait)
        elif len(chosen) < missing:
            chosen.append(index)
    return Todo(chosen, extra, min(waits, default=0.0))


def _superfluous(job: Object, facts: Facts) -> list[Object]:
    """Active pods whose index is done, out of range or has another pod already."""
    seen = facts.completed | facts.failed_indexes
    found = []
    for pod in sorted(facts.active, key=_rank, reverse=True):
        index = index_of(pod)
        if index in seen or not 0 <= index < (job["spec"].get("completions") or 0):
            found.append(pod)
        seen = seen | {index}
    return found


def _rank(pod: Object) -> tuple[object, ...]:
    """Smaller is deleted first: not yet ready ones, then the youngest."""
    scheduled = bool(pod["spec"].get("nodeName"))
    created = pod["metadata"].get("creationTimestamp") or ""
    return scheduled, phase(pod) == "Running", is_ready(pod), [-ord(c) for c in created]
