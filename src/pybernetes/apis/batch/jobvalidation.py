# SPDX-License-Identifier: Apache-2.0
"""JobSpec: what is wrong with one, in a Job or in a CronJob's template."""

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_template
from pybernetes.apis.validation.meta import NEGATIVE
from pybernetes.apis.validation.names import domain_prefixed_path, qualified_name

_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ["Indexed", "NonIndexed"]
_ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"]
_REPLACEMENTS = ["Failed", "TerminatingOrFailed"]


def validate_job_spec(spec: Object, at: str, errors: Errors) -> None:
    for field in _NUMBERS:
        if (spec.get(field) or 0) < 0:
            errors.append(invalid(f"{at}.{field}", spec[field], NEGATIVE))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        text = "when maxFailedIndexes is specified"
        errors.append(required(f"{at}.backoffLimitPerIndex", text))
    manager = spec.get("managedBy")
    if manager is not None:
        errors.extend(domain_prefixed_path(manager, f"{at}.managedBy"))
        if len(manager) > 63:
            errors.append(too_long(f"{at}.managedBy", 63))
    _mode(spec, at, errors)
    _policies(spec, at, errors)
    validate_pod_template(spec.get("template") or {}, f"{at}.template", errors)
    _restart(spec, f"{at}.template.spec.restartPolicy", errors)


def _mode(spec: Object, at: str, errors: Errors) -> None:
    mode = spec.get("completionMode") or "NonIndexed"
    if mode not in _MODES:
        errors.append(not_supported(f"{at}.completionMode", mode, _MODES))
    if mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                text = "requires indexed completion mode"
                errors.append(invalid(f"{at}.{field}", spec[field], text))
    elif mode == "Indexed":
        _indexed(spec, at, errors)


def _indexed(spec: Object, at: str, errors: Errors) -> None:
    completions, parallelism = spec.get("completions"), spec.get("parallelism") or 0
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        errors.append(required(f"{at}.completions", "when completion mode is Indexed"))
    if parallelism > 100000:
        text = "must be less than or equal to 100000 when completion mode is Indexed"
        errors.append(invalid(f"{at}.parallelism", parallelism, text))
    if failed is not None:
        if completions is not None and failed > completions:
            text = "must be less than or equal to completions"
            errors.append(invalid(f"{at}.maxFailedIndexes", failed, text))
        if failed > 100000:
            text = "must be less than or equal to 100000"
            errors.append(invalid(f"{at}.maxFailedIndexes", failed, text))
    if (completions or 0) > 100000 and spec.get("backoffLimitPerIndex") is not None:
        _many(parallelism, failed, at, errors)


def _many(parallelism: int, failed: int | None, at: str, errors: Errors) -> None:
    if failed is None:
        text = "must be specified when completions is above 100000"
        errors.append(required(f"{at}.maxFailedIndexes", text))
    for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failed or 0)):
        if value > 10000:
            text = (
                "must be less than or equal to 10000 when completions are above 100000 "
                "and used with backoff limit per index"
            )
            errors.append(invalid(f"{at}.{field}", value, text))


def _policies(spec: Object, at: str, errors: Errors) -> None:
    failure, success = spec.get("podFailurePolicy"), spec.get("successPolicy")
    if failure is not None:
        rules = failure.get("rules") or ()
        path = f"{at}.podFailurePolicy.rules"
        if len(rules) > 20:
            errors.append(too_many(path, len(rules), 20))
        for number, rule in enumerate(rules):
            _failure_rule(rule, spec, f"{path}[{number}]", errors)
    if success is not None:
        if spec.get("completionMode") != "Indexed":
            text = "requires indexed completion mode"
            errors.append(invalid(f"{at}.successPolicy", success, text))
        else:
            _success(success.get("rules") or (), spec, f"{at}.successPolicy.rules", errors)
    replacement, path = spec.get("podReplacementPolicy"), f"{at}.podReplacementPolicy"
    known = ["Failed"] if failure is not None else _REPLACEMENTS
    if replacement is not None and replacement not in known:
        errors.append(not_supported(path, replacement, known))


def _failure_rule(rule: Object, spec: Object, at: str, errors: Errors) -> None:
    action, codes, conditions = (
        rule.get(field) for field in ("action", "onExitCodes", "onPodConditions")
    )
    if not action:
        shown = " ".join(f'"{one}"' for one in _ACTIONS)
        errors.append(required(f"{at}.action", f"valid values: [{shown}]"))
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        text = "requires the backoffLimitPerIndex to be set"
        errors.append(invalid(f"{at}.action", action, text))
    elif action not in _ACTIONS:
        errors.append(not_supported(f"{at}.action", action, _ACTIONS))
    if codes is not None:
        _exit_codes(codes, spec, f"{at}.onExitCodes", errors)
    for number, pattern in enumerate(conditions or ()):
        _pattern(pattern, f"{at}.onPodConditions[{number}]", errors)
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(invalid(at, None, text))
    if codes is None and not conditions:
        text = "specifying one of OnExitCodes and OnPodConditions is required"
        errors.append(invalid(at, None, text))


def _exit_codes(codes: Object, spec: Object, at: str, errors: Errors) -> None:
    operator, values, name = (codes.get(field) for field in ("operator", "values", "containerName"))
    values = values or []
    if operator not in {"In", "NotIn"}:
        errors.append(not_supported(f"{at}.operator", operator or "", ["In", "NotIn"]))
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
    if name is not None and name not in [one.get("name") for one in containers]:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{at}.containerName", name, text))
    if not values:
        errors.append(invalid(f"{at}.values", values, "at least one value is required"))
    elif len(values) > 255:
        errors.append(too_many(f"{at}.values", len(values), 255))
    for number, value in enumerate(values):
        if operator == "In" and value == 0:
            text = "must not be 0 for the In operator"
            errors.append(invalid(f"{at}.values[{number}]", value, text))
        if value in values[:number]:
            errors.append(duplicate(f"{at}.values[{number}]", value))
    if values != sorted(values):
        errors.append(invalid(f"{at}.values", values, "must be ordered"))


def _pattern(pattern: Object, at: str, errors: Errors) -> None:
    type_, status = pattern.get("type") or "", pattern.get("status")
    errors.extend(invalid(f"{at}.type", type_, text) for text in qualified_name(type_))
    known = ["False", "True", "Unknown"]
    if status not in known:
        errors.append(not_supported(f"{at}.status", status or "", known))


def _success(rules: list[Object] | tuple[()], spec: Object, at: str, errors: Errors) -> None:
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(at, text))
    if len(rules) > 20:
        errors.append(too_many(at, len(rules), 20))
    completions = spec.get("completions") or 0
    for number, rule in enumerate(rules):
        path, count = f"{at}[{number}]", rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            text = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(path, text))
        if count is not None and count < 0:
            errors.append(invalid(f"{path}.succeededCount", count, NEGATIVE))
        if (count or 0) > completions:
            text = (
                f"must be less than or equal to {completions} (the number of specified completions)"
            )
            errors.append(invalid(f"{path}.succeededCount", count, text))


def _restart(spec: Object, at: str, errors: Errors) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy in {None, "", "Always"}:
        errors.append(required(at, 'valid values: "OnFailure", "Never"'))
    elif policy not in {"OnFailure", "Never"}:
        errors.append(not_supported(at, policy, ["Never", "OnFailure"]))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(at, policy, text))
