# SPDX-License-Identifier: Apache-2.0
"""The status of a Job out of its facts and its end, if that has come. Pure."""

import datetime

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_ready
from pybernetes.controllers.job import indexes
from pybernetes.controllers.job.plan import End, Facts, is_indexed

_SUSPENDED = ("JobSuspended", "Job suspended")
_RESUMED = ("JobResumed", "Job resumed")


def plan_status(
    job: Object, facts: Facts, end: End | None, *, final: bool, now: datetime.datetime
) -> Object:
    """The new status; with `final` the end's last condition is set too."""
    old = job.get("status") or {}
    status: Object = {
        **old,
        "active": len(facts.active),
        "ready": sum(map(is_ready, facts.active)),
        "terminating": len(facts.terminating),
        "succeeded": facts.base["succeeded"],
        "failed": facts.base["failed"],
        "uncountedTerminatedPods": {kind: ids for kind, ids in facts.uncounted.items() if ids},
    }
    if is_indexed(job):
        status["completedIndexes"] = indexes.render(facts.completed)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            status["failedIndexes"] = indexes.render(facts.failed_indexes)
    listed = list(old.get("conditions") or ())
    if end is not None:
        listed = _ending(listed, end, final=final, now=now)
        if final and end.type == "Complete":
            status["completionTime"] = rfc3339(now)
    else:
        listed = _going(job, status, listed, now)
    if listed:
        status["conditions"] = listed
    return status


def _ending(listed: list[Object], end: End, *, final: bool, now: datetime.datetime) -> list[Object]:
    interim = "FailureTarget" if end.type == "Failed" else "SuccessCriteriaMet"
    for kind in [interim, *([end.type] if final else [])]:
        if not conditions.is_true(listed, kind):
            listed = [*listed, _condition(kind, "True", (end.reason, end.message), now)]
    return listed


def _going(
    job: Object, status: Object, listed: list[Object], now: datetime.datetime
) -> list[Object]:
    """Suspended or not, and since when it runs (set in `status`)."""
    suspended = conditions.is_true(listed, "Suspended")
    if job["spec"].get("suspend"):
        status.pop("startTime", None)
        if not suspended:
            listed = conditions.put(listed, _condition("Suspended", "True", _SUSPENDED, now))
    elif suspended:
        listed = conditions.put(listed, _condition("Suspended", "False", _RESUMED, now))
        status["startTime"] = rfc3339(now)
    else:
        status.setdefault("startTime", rfc3339(now))
    return listed


def _condition(kind: str, value: str, words: tuple[str, str], now: datetime.datetime) -> Object:
    return conditions.new(kind, value, words, now, lastProbeTime=rfc3339(now))
