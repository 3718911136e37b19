# SPDX-License-Identifier: Apache-2.0
"""Job: defaults, the selector the server generates, what may change, cells."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import too_long
from pybernetes.apimachinery.timestamps import human_duration, parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.apps.workload import selects
from pybernetes.apis.columns import look
from pybernetes.apis.validation.names import dns1123_label, domain_prefixed_path
from pybernetes.apis.validation.part import Part, validate_immutable

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def default_job(job: Object) -> None:
    """Upstream's SetDefaults_Job; the template of a cron job has none of these."""
    spec = job["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    failures = 6 if spec.get("backoffLimitPerIndex") is None else 2147483647
    replacement = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
    defaults = {
        "parallelism": 1,
        "backoffLimit": failures,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": replacement,
        "manualSelector": False,
    }
    job["spec"] = spec | {key: value for key, value in defaults.items() if spec.get(key) is None}
    labels = look(spec, "template", "metadata", "labels")
    if labels and not meta.labels(job):
        job.setdefault("metadata", {})["labels"] = dict(labels)


def prepare_create(job: Object) -> None:
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


def validate_job_update(job: Part, old: Object) -> None:
    spec, was = job.child("spec"), old["spec"]
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


_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


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


def validate_generated(job: Part) -> None:
    """What the server wrote into a new job is there."""
    spec, obj = job.child("spec"), job.obj
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


def validate_job(job: Part) -> None:
    spec, name = job.child("spec"), meta.name(job.obj)
    labels = look(spec.obj, "template", "metadata", "labels") or {}
    if spec.get("selector") and not selects(spec.get("selector"), labels):
        text = "`selector` does not match template `labels`"
        spec.invalid("template.metadata.labels", labels, text)
    host = f"{name}-{(spec.get('completions') or 0) - 1}"
    if spec.get("completionMode") == "Indexed" and spec.get("completions") and dns1123_label(host):
        text = f"will not able to create pod with invalid DNS label: {host}"
        job.invalid("metadata.name", name, text)


def end_of(job: Object) -> Object | None:
    """The condition that says how it ended, Complete or Failed; None while it has not."""
    return conditions.first_true(job, "Complete", "Failed")


def status(job: Object, _: datetime.datetime) -> str:
    ended = end_of(job)
    if ended is None and meta.is_deleting(job):
        return "Terminating"
    interim = conditions.first_true(job, "Suspended", "FailureTarget", "SuccessCriteriaMet")
    return str((ended or interim or {"type": "Running"})["type"])


def completions(job: Object, _: datetime.datetime) -> str:
    done = look(job, "status", "succeeded") or 0
    wanted, parallelism = look(job, "spec", "completions"), look(job, "spec", "parallelism") or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def duration(job: Object, now: datetime.datetime) -> str:
    start, end = look(job, "status", "startTime"), look(job, "status", "completionTime")
    if not start:
        return ""
    return human_duration(((parse(end) if end else now) - parse(start)).total_seconds())


def validate_job_spec(spec: Part) -> None:
    """After the rows of data/rules.txt. Rules of failure and success policies are not checked."""
    manager = spec.get("managedBy")
    if manager is not None:
        spec.errors.extend(domain_prefixed_path(manager, spec.path("managedBy")))
        if len(manager) > 63:
            spec.errors.append(too_long(spec.path("managedBy"), 63))
    if spec.get("completionMode") == "Indexed":
        _indexed(spec)
    _restart(spec)


def _indexed(spec: Part) -> None:
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is not None and failed is not None and failed > completions:
        spec.invalid("maxFailedIndexes", failed, "must be less than or equal to completions")
    if (completions or 0) > 100000 and spec.get("backoffLimitPerIndex") is not None:
        if failed is None:
            spec.required("maxFailedIndexes", "must be specified when completions is above 100000")
        for field in ("parallelism", "maxFailedIndexes"):
            if (spec.get(field) or 0) > 10000:
                text = (
                    "must be less than or equal to 10000 when completions are above 100000 "
                    "and used with backoff limit per index"
                )
                spec.invalid(field, spec.get(field), text)


def _restart(spec: Part) -> None:
    pod = spec.child("template").child("spec")
    policy = pod.get("restartPolicy")
    if policy in {None, "", "Always"}:
        pod.required("restartPolicy", 'valid values: "OnFailure", "Never"')
        return
    pod.choice("restartPolicy", ["Never", "OnFailure"])
    if policy == "OnFailure" and spec.get("podFailurePolicy") is not None:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        pod.invalid("restartPolicy", policy, text)
