# SPDX-License-Identifier: Apache-2.0
"""JobSpec: what is wrong with one, in a Job or in a CronJob's template."""

from pybernetes.apimachinery.field import too_long
from pybernetes.apis.core.podspec.validation import validate_pod_template
from pybernetes.apis.validation.names import domain_prefixed_path, qualified_name
from pybernetes.apis.validation.part import Part

_NUMBERS = (
    *("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit"),
    *("ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"),
)
_ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"]
_INDEXED_ONLY = "requires indexed completion mode"


def validate_job_spec(spec: Part) -> None:
    spec.counts(*_NUMBERS)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        spec.required("backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager = spec.get("managedBy")
    if manager is not None:
        spec.errors.extend(domain_prefixed_path(manager, spec.path("managedBy")))
        if len(manager) > 63:
            spec.errors.append(too_long(spec.path("managedBy"), 63))
    mode = spec.get("completionMode") or "NonIndexed"
    if spec.get("completionMode"):
        spec.choice("completionMode", ["Indexed", "NonIndexed"])
    if mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                spec.invalid(field, spec.get(field), _INDEXED_ONLY)
    elif mode == "Indexed":
        _indexed(spec)
    _policies(spec)
    validate_pod_template(spec.child("template"))
    _restart(spec)


def _indexed(spec: Part) -> None:
    completions, parallelism = spec.get("completions"), spec.get("parallelism") or 0
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        spec.required("completions", "when completion mode is Indexed")
    if parallelism > 100000:
        text = "must be less than or equal to 100000 when completion mode is Indexed"
        spec.invalid("parallelism", parallelism, text)
    if failed is not None:
        if completions is not None and failed > completions:
            text = "must be less than or equal to completions"
            spec.invalid("maxFailedIndexes", failed, text)
        if failed > 100000:
            spec.invalid("maxFailedIndexes", failed, "must be less than or equal to 100000")
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


def _policies(spec: Part) -> None:
    failure, success = spec.get("podFailurePolicy"), spec.get("successPolicy")
    if failure is not None:
        policy = spec.child("podFailurePolicy")
        policy.most("rules", 20)
        for rule in policy.each("rules"):
            _failure_rule(rule, spec)
    if success is not None:
        if spec.get("completionMode") != "Indexed":
            spec.invalid("successPolicy", success, _INDEXED_ONLY)
        else:
            _success(spec.child("successPolicy"), spec.get("completions") or 0)
    known = ["Failed"] if failure is not None else ["Failed", "TerminatingOrFailed"]
    spec.choice("podReplacementPolicy", known)


def _failure_rule(rule: Part, spec: Part) -> None:
    action, codes, conditions = map(rule.get, ("action", "onExitCodes", "onPodConditions"))
    if not action:
        shown = " ".join(f'"{one}"' for one in _ACTIONS)
        rule.required("action", f"valid values: [{shown}]")
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        rule.invalid("action", action, "requires the backoffLimitPerIndex to be set")
    else:
        rule.choice("action", _ACTIONS)
    if codes is not None:
        _exit_codes(rule.child("onExitCodes"), spec)
    for pattern in rule.each("onPodConditions"):
        pattern.any_rule("type", qualified_name)
        pattern.one_of("status", ["False", "True", "Unknown"])
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        rule.invalid("", None, text)
    if codes is None and not conditions:
        rule.invalid("", None, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(codes: Part, spec: Part) -> None:
    operator, values, name = map(codes.get, ("operator", "values", "containerName"))
    values = values or []
    codes.one_of("operator", ["In", "NotIn"])
    pod = spec.child("template").child("spec")
    containers = [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
    if name is not None and name not in [one.get("name") for one in containers]:
        text = "must be one of the container or initContainer names in the pod template"
        codes.invalid("containerName", name, text)
    if not values:
        codes.invalid("values", values, "at least one value is required")
    codes.most("values", 255)
    for number, value in enumerate(values):
        if operator == "In" and value == 0:
            codes.invalid(f"values[{number}]", value, "must not be 0 for the In operator")
    codes.unique("values", values)
    if values != sorted(values):
        codes.invalid("values", values, "must be ordered")


def _success(policy: Part, completions: int) -> None:
    text = "at least one rules must be specified when the successPolicy is specified"
    policy.need("rules", detail=text)
    policy.most("rules", 20)
    for rule in policy.each("rules"):
        count = rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            text = "at least one of succeededCount or succeededIndexes must be specified"
            rule.required("", text)
        rule.counts("succeededCount")
        if (count or 0) > completions:
            text = (
                f"must be less than or equal to {completions} (the number of specified completions)"
            )
            rule.invalid("succeededCount", count, text)


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
