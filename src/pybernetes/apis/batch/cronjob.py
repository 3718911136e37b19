# SPDX-License-Identifier: Apache-2.0
"""CronJob: makes jobs at set times."""

import re
import zoneinfo

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
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
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_annotations, validate_labels
from pybernetes.apis.validation.part import Part, creating

_zone_part = re.compile(r"[A-Za-z\.\-_0-9+]{1,14}").fullmatch


def _default(cron_job: Object) -> None:
    spec: Object = cron_job.setdefault("spec", {})
    fill(spec, {"concurrencyPolicy": "Allow"})
    fill_missing(
        spec, {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    )
    default_job_spec(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _cron_job(job: Part) -> None:
    _spec(job.child("spec"), {})
    if len(meta.name(job.obj)) > 52:
        job.invalid("metadata.name", meta.name(job.obj), "must be no more than 52 characters")


def _validate_update(new: Object, old: Object) -> Errors:
    spec = Part(new).child("spec")
    _spec(spec, old["spec"])
    return spec.errors


def _spec(spec: Part, was: Object) -> None:
    spec.need_rule("schedule", _parses)
    _time_zone(spec, "TZ" in (was.get("schedule") or ""))
    if spec.get("timeZone") != was.get("timeZone"):
        spec.set_rule("timeZone", _zone)
    spec.one_of("concurrencyPolicy", ["Allow", "Forbid", "Replace"])
    spec.counts("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    template = spec.child("jobTemplate")
    metadata = Part(template.get("metadata"), template.at, template.errors)
    validate_labels(metadata, "labels")
    validate_annotations(metadata, "annotations")
    job = template.child("spec")
    validate_job_spec(job)
    if job.get("manualSelector"):
        job.unsupported("manualSelector", True, ["nil", "false"])
    if job.get("selector") is not None:
        job.invalid("selector", job.get("selector"), "`selector` will be auto-generated")


def _parses(text: str) -> list[str]:
    try:
        schedule.parse(text)
    except schedule.ScheduleError as error:
        return [str(error)]
    return []


def _time_zone(spec: Part, allowed: bool) -> None:
    value = spec.get("schedule") or ""
    if "TZ" in value and not allowed:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        spec.invalid("schedule", value, text)
    elif "TZ" in value and spec.get("timeZone") is not None:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        spec.invalid("schedule", value, text)


def _zone(zone: str) -> list[str]:
    if not zone:
        return ["timeZone must be nil or non-empty string"]
    unknown = f"unknown time zone {zone}"
    for part in zone.split("/"):
        if part in {".", ".."} or part.startswith("-") or not _zone_part(part):
            return [unknown]
    found = []
    if zone.lower() == "local":
        found.append(
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        found.append(unknown)
    return found


_POD = ("spec", "jobTemplate", "spec", "template", "spec")

CRON_JOB = Kind(
    default=_default,
    validate_create=creating(_cron_job),
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
