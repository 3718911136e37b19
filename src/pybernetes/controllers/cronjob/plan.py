# SPDX-License-Identifier: Apache-2.0
"""Decides for one CronJob: is a run due, which Job it makes, which finished ones go. Pure."""

import datetime
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse, rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.apis.batch.job import end_of
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.cronjob.schedule import Schedule, most_recent

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class Due(NamedTuple):
    """`time`: of the run that is due, if any; `next`: seconds until the one after now; `missed`: far
    too many times were; `too_late`: for the run of that time."""

    time: datetime.datetime | None
    next: float | None
    missed: bool = False
    too_late: datetime.datetime | None = None


def due(cron_job: Object, schedule: Schedule, now: datetime.datetime) -> Due:
    status, spec = cron_job.get("status") or {}, cron_job["spec"]
    last = status.get("lastScheduleTime")
    since = parse(last or cron_job["metadata"]["creationTimestamp"])
    deadline = spec.get("startingDeadlineSeconds")
    earliest = since
    if deadline is not None:
        earliest = max(since, now - datetime.timedelta(seconds=deadline))
    found, missed = most_recent(schedule, earliest, now)
    coming = next(schedule.after(now), None)
    wait = (coming - now).total_seconds() + 0.1 if coming is not None else None
    late = None
    if found is None and earliest > since:
        late = most_recent(schedule, since, now)[0]
    return Due(found, wait, missed, late)


def finished(job: Object) -> str:
    """ "Complete", "Failed" or ""."""
    return str((end_of(job) or {}).get("type", ""))


def new_job(cron_job: Object, moment: datetime.datetime) -> Object:
    """The Job of one run; its name is the run's minute, so it is made only once."""
    template = copy_object(cron_job["spec"]["jobTemplate"])
    head = template.get("metadata") or {}
    zone = cron_job["spec"].get("timeZone")
    shown = rfc3339(moment)
    if zone:
        import zoneinfo

        shown = moment.astimezone(zoneinfo.ZoneInfo(zone)).isoformat()
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta.new_metadata(
            f"{meta.name(cron_job)}-{int(moment.timestamp()) // 60}",
            meta.namespace(cron_job),
            labels=head.get("labels"),
            annotations={**(head.get("annotations") or {}), SCHEDULED_AT: shown},
            owners=[meta.controller_reference(cron_job)],
        ),
        "spec": template["spec"],
    }


def too_old(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Finished jobs beyond the two history limits, oldest first."""
    spec, found = cron_job["spec"], []
    for kind, name in (
        ("Complete", "successfulJobsHistoryLimit"),
        ("Failed", "failedJobsHistoryLimit"),
    ):
        limit = spec.get(name)
        if limit is not None:
            done = sorted((job for job in jobs if finished(job) == kind), key=_started)
            found += done[: max(0, len(done) - limit)]
    return found


def _started(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "", meta.name(job)


def last_success(status: Object, jobs: Sequence[Object]) -> str | None:
    """The newest completion time of a job that succeeded, the known one included."""
    times = [status.get("lastSuccessfulTime")]
    times += [(job.get("status") or {}).get("completionTime") for job in jobs]
    return max((one for one in times if one), default=None)
