# SPDX-License-Identifier: Apache-2.0
"""JobSpec: what is wrong with one. Rules of failure and success policies are not checked."""

from pybernetes.apimachinery.field import too_long
from pybernetes.apis.validation.names import domain_prefixed_path
from pybernetes.apis.validation.part import Part


def validate_job_spec(spec: Part) -> None:
    """After the rows of data/rules.txt."""
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
