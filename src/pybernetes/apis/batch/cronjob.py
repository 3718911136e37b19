# SPDX-License-Identifier: Apache-2.0
"""CronJob: makes jobs at set times."""

import re
import zoneinfo

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.batch import schedule
from pybernetes.apis.batch.job import default_job_spec
from pybernetes.apis.batch.jobvalidation import validate_job_spec
from pybernetes.apis.columns import (
    AGE,
    NAME,
    container_columns,
    count,
    look,
    optional,
    selector_cell,
    since,
    text,
)
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.core.podspec.workload import validate_non_negative
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_annotations, validate_labels

_CONCURRENCY = ["Allow", "Forbid", "Replace"]
_zone_part = re.compile(r"[A-Za-z\.\-_0-9+]{1,14}").fullmatch


def _default(cron_job: Object) -> None:
    spec: Object = cron_job.setdefault("spec", {})
    fill(spec, {"concurrencyPolicy": "Allow"})
    fill_missing(
        spec, {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    )
    default_job_spec(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _validate(cron_job: Object) -> Errors:
    errors = _validate_spec(cron_job["spec"], {})
    if len(meta.name(cron_job)) > 52:
        wrong = "must be no more than 52 characters"
        errors.append(invalid("metadata.name", meta.name(cron_job), wrong))
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    return _validate_spec(new["spec"], old["spec"])


def _validate_spec(spec: Object, was: Object) -> Errors:
    errors: Errors = []
    _schedule(spec, was, errors)
    zone, policy = spec.get("timeZone"), spec.get("concurrencyPolicy")
    if zone is not None and zone != was.get("timeZone"):
        _zone(zone, "spec.timeZone", errors)
    if policy not in _CONCURRENCY:
        errors.append(not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY))
    numbers = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    validate_non_negative(spec, numbers, errors)
    template = spec.get("jobTemplate") or {}
    metadata, job = template.get("metadata") or {}, template.get("spec") or {}
    validate_labels(metadata.get("labels") or {}, "spec.jobTemplate.labels", errors)
    annotations = metadata.get("annotations") or {}
    validate_annotations(annotations, "spec.jobTemplate.annotations", errors)
    validate_job_spec(job, "spec.jobTemplate.spec", errors)
    if job.get("manualSelector"):
        known = ["nil", "false"]
        at = "spec.jobTemplate.spec.manualSelector"
        errors.append(not_supported(at, True, known))
    if job.get("selector") is not None:
        wrong = "`selector` will be auto-generated"
        errors.append(invalid("spec.jobTemplate.spec.selector", job["selector"], wrong))
    return errors


def _schedule(spec: Object, was: Object, errors: Errors) -> None:
    at, value = "spec.schedule", spec.get("schedule") or ""
    if not value:
        errors.append(required(at))
        return
    try:
        schedule.parse(value)
    except schedule.ScheduleError as error:
        errors.append(invalid(at, value, str(error)))
    if "TZ" in value:
        allowed = "TZ" in (was.get("schedule") or "")
        if not allowed:
            wrong = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            errors.append(invalid(at, value, wrong))
        elif spec.get("timeZone") is not None:
            wrong = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            errors.append(invalid(at, value, wrong))


def _zone(zone: str, at: str, errors: Errors) -> None:
    if not zone:
        errors.append(invalid(at, zone, "timeZone must be nil or non-empty string"))
        return
    for part in zone.split("/"):
        if part in {".", ".."} or part.startswith("-") or not _zone_part(part):
            errors.append(invalid(at, zone, f"unknown time zone {zone}"))
            return
    if zone.lower() == "local":
        wrong = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        errors.append(invalid(at, zone, wrong))
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        errors.append(invalid(at, zone, f"unknown time zone {zone}"))


_POD = ("spec", "jobTemplate", "spec", "template", "spec")

CRON_JOB = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("Schedule", text("spec", "schedule")),
        Column("Timezone", optional("spec", "timeZone", missing="<none>")),
        Column("Suspend", lambda one, _: str(bool(look(one, "spec", "suspend"))), type="boolean"),
        Column("Active", count("status", "active"), type="integer"),
        Column("Last Schedule", since("status", "lastScheduleTime", missing="<none>")),
        AGE,
        *container_columns(*_POD),
        Column("Selector", selector_cell("spec", "jobTemplate", "spec", "selector"), priority=1),
    ),
)
