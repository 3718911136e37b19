# SPDX-License-Identifier: Apache-2.0
"""Job (defaults, the selector the server generates, what may change) and CronJob, which makes jobs."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.timestamps import human_duration, parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis.apps.workload import selects
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
)
from pybernetes.apis.columns import text as text_cell
from pybernetes.apis.core.pod.status import condition_true
from pybernetes.apis.core.podspec.defaults import default_template, fill, fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_label
from pybernetes.apis.validation.part import Part, creating, validate_immutable

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def default_job_spec(spec: Object) -> None:
    """What jobs and the templates of cron jobs share: their pod template and conditions."""
    default_template(spec.setdefault("template", {}))
    for rule in look(spec, "podFailurePolicy", "rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            fill(pattern, {"status": "True"})


def _default(job: Object) -> None:
    spec: Object = job.setdefault("spec", {})
    default_job_spec(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    failures = 6 if spec.get("backoffLimitPerIndex") is None else 2147483647
    replacement = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
    fill_missing(
        spec,
        {
            "parallelism": 1,
            "backoffLimit": failures,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": replacement,
            "manualSelector": False,
        },
    )
    labels = look(spec, "template", "metadata", "labels")
    if labels and not meta.labels(job):
        job.setdefault("metadata", {})["labels"] = dict(labels)


def _prepare_create(job: Object) -> None:
    """Unless asked not to, make the job select the pods that carry its uid."""
    spec = job["spec"]
    if spec.get("manualSelector"):
        return
    template: Object = spec["template"]
    metadata = template["metadata"] = dict(template.get("metadata") or {})
    labels = metadata["labels"] = dict(metadata.get("labels") or {})
    for names, value in ((NAME_LABELS, meta.name(job)), (UID_LABELS, meta.uid(job))):
        for name in names:
            labels.setdefault(name, value)
    selector = spec["selector"] = dict(spec.get("selector") or {})
    wanted = dict(selector.get("matchLabels") or {})
    wanted.setdefault(UID_LABELS[1], meta.uid(job))
    selector["matchLabels"] = wanted


def _spec(spec: Part) -> None:
    validate_job_spec(spec)
    validate_label_selector(spec, "selector")
    labels = look(spec.obj, "template", "metadata", "labels") or {}
    if spec.get("selector") and not selects(spec.get("selector"), labels):
        text = "`selector` does not match template `labels`"
        spec.invalid("template.metadata.labels", labels, text)


def _job(job: Part) -> None:
    spec, obj = job.child("spec"), job.obj
    _spec(spec)
    if not spec.get("manualSelector"):
        labels = look(spec.obj, "template", "metadata", "labels") or {}
        pairs = [(name, meta.uid(obj)) for name in UID_LABELS]
        pairs += [(name, meta.name(obj)) for name in NAME_LABELS]
        for name, value in pairs:
            if labels.get(name) != value:
                at = f"template.metadata.labels[{name}]"
                spec.invalid(at, labels.get(name), f"must be '{value}'")
        if not selects(spec.get("selector") or {}, dict(pairs)):
            spec.invalid("selector", spec.get("selector"), "`selector` not auto-generated")
    _name_fits(job)


def _name_fits(job: Part) -> None:
    spec, name = job.child("spec"), meta.name(job.obj)
    host = f"{name}-{(spec.get('completions') or 0) - 1}"
    if spec.get("completionMode") == "Indexed" and spec.get("completions") and dns1123_label(host):
        text = f"will not able to create pod with invalid DNS label: {host}"
        job.invalid("metadata.name", name, text)


_FIXED = (
    *("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"),
    *("managedBy", "successPolicy"),
)
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def _validate_update(new: Object, old: Object) -> Errors:
    job, was = Part(new), old["spec"]
    spec = job.child("spec")
    _spec(spec)
    spec.fixed(was, *_FIXED)
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        spec.fixed(was, "completions")
    elif completions not in {None, was.get("completions"), spec.get("parallelism")}:
        text = "can only be modified in tandem with spec.parallelism"
        spec.invalid("completions", completions, text)
    template, before = spec.get("template") or {}, was.get("template") or {}
    if was.get("suspend"):
        template, before = _frozen(template, old), _frozen(before, old)
    validate_immutable(template, before, "spec.template", job.errors)
    _name_fits(job)
    return job.errors


def _frozen(template: Object, old: Object) -> Object:
    """What of a template stays fixed while a job is suspended.

    Resources may change; where pods go only before the job ever started.
    """
    pod = dict(template.get("spec") or {})
    for field in ("containers", "initContainers"):
        if pod.get(field):
            pod[field] = [{**container, "resources": None} for container in pod[field]]
    if look(old, "status", "startTime"):
        return {**template, "spec": pod}
    affinity = {**(pod.get("affinity") or {}), "nodeAffinity": None}
    pod["affinity"] = {key: value for key, value in affinity.items() if value}
    pod = {key: value for key, value in pod.items() if key not in _SCHEDULING}
    return {"spec": pod}


def _status(job: Object, _: datetime.datetime) -> str:
    for type_, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if condition_true(job, type_):
            return shown
    if meta.is_deleting(job):
        return "Terminating"
    for type_ in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition_true(job, type_):
            return type_
    return "Running"


def _completions(job: Object, _: datetime.datetime) -> str:
    done = look(job, "status", "succeeded") or 0
    wanted, parallelism = look(job, "spec", "completions"), look(job, "spec", "parallelism") or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Object, now: datetime.datetime) -> str:
    start, end = look(job, "status", "startTime"), look(job, "status", "completionTime")
    if not start:
        return ""
    return human_duration(((parse(end) if end else now) - parse(start)).total_seconds())


JOB = Kind(
    default=_default,
    prepare_create=_prepare_create,
    validate_create=creating(_job),
    validate_update=_validate_update,
    fields=lambda job: {"status.successful": str(look(job, "status", "succeeded") or 0)},
    field_names=("status.successful",),
    columns=(
        NAME,
        Column("Status", _status),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        *container_columns("spec", "template", "spec"),
        Column("Selector", selector_cell("spec", "selector"), priority=1),
    ),
)


def _default_cron(cron_job: Object) -> None:
    spec: Object = cron_job.setdefault("spec", {})
    fill(spec, {"concurrencyPolicy": "Allow"})
    fill_missing(
        spec, {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    )
    default_job_spec(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


CRON_JOB = Kind(
    default=_default_cron,
    columns=(
        NAME,
        Column("Schedule", text_cell("spec", "schedule")),
        Column("Timezone", optional("spec", "timeZone", missing="<none>")),
        Column("Suspend", lambda one, _: str(bool(look(one, "spec", "suspend"))), type="boolean"),
        Column("Active", count("status", "active"), type="integer"),
        Column("Last Schedule", since("status", "lastScheduleTime", missing="<none>")),
        AGE,
        *container_columns("spec", "jobTemplate", "spec", "template", "spec"),
        Column("Selector", selector_cell("spec", "jobTemplate", "spec", "selector"), priority=1),
    ),
)
