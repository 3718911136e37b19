# SPDX-License-Identifier: Apache-2.0
"""MutatingWebhookConfiguration and ValidatingWebhookConfiguration."""

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, count
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import fully_qualified

_CHOICES = {
    "failurePolicy": ["Fail", "Ignore"],
    "matchPolicy": ["Equivalent", "Exact"],
    "reinvocationPolicy": ["IfNeeded", "Never"],
}
_SIDE_EFFECTS = ["None", "NoneOnDryRun"]
_OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]
_SCOPES = ["*", "Cluster", "Namespaced"]


def _defaults(configuration: Object, *, mutating: bool) -> None:
    for hook in configuration.get("webhooks") or ():
        fill_missing(hook, {"failurePolicy": "Fail", "matchPolicy": "Equivalent"})
        for field in ("namespaceSelector", "objectSelector"):
            fill_missing(hook, {field: {}})
        fill_missing(hook, {"timeoutSeconds": 10})
        if mutating:
            fill_missing(hook, {"reinvocationPolicy": "Never"})
        for rule in hook.get("rules") or ():
            fill_missing(rule, {"scope": "*"})
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            fill_missing(service, {"port": 443})


def _validate(configuration: Object) -> Errors:
    errors: Errors = []
    names: list[str] = []
    for number, hook in enumerate(configuration.get("webhooks") or ()):
        at, name = f"webhooks[{number}]", hook.get("name") or ""
        errors += fully_qualified(name, f"{at}.name")
        if name and name in names:
            errors.append(duplicate(f"{at}.name", name))
        names.append(name)
        _hook(hook, at, errors)
    return errors


def _hook(hook: Object, at: str, errors: Errors) -> None:
    for number, rule in enumerate(hook.get("rules") or ()):
        validate_rule(rule, f"{at}.rules[{number}]", errors)
    for field, known in _CHOICES.items():
        value = hook.get(field)
        if value is not None and value not in known:
            errors.append(not_supported(f"{at}.{field}", value, known))
    effects, seconds = hook.get("sideEffects"), hook.get("timeoutSeconds")
    if effects is None:
        listed = ", ".join(_SIDE_EFFECTS)
        errors.append(required(f"{at}.sideEffects", f"must specify one of {listed}"))
    elif effects not in _SIDE_EFFECTS:
        errors.append(not_supported(f"{at}.sideEffects", effects, _SIDE_EFFECTS))
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{at}.timeoutSeconds", seconds, text))
    for field in ("namespaceSelector", "objectSelector"):
        validate_label_selector(hook.get(field), f"{at}.{field}", errors)
    validate_client(hook.get("clientConfig") or {}, f"{at}.clientConfig", errors)
    versions = hook.get("admissionReviewVersions") or []
    path = f"{at}.admissionReviewVersions"
    if not versions:
        errors.append(required(path, "must specify one of v1, v1beta1"))
    elif not {"v1", "v1beta1"} & {*versions}:
        text = "must include at least one of v1, v1beta1"
        errors.append(invalid(path, versions, text))


def validate_client(config: Object, at: str, errors: Errors) -> None:
    """Where a webhook answers: at a URL or behind a Service, not both."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        text = "exactly one of url or service is required"
        errors.append(required(at, text))
    elif service is None:
        if not str(url).startswith("https://"):
            text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
            errors.append(invalid(f"{at}.url", url, text))
    else:
        for field in ("name", "namespace"):
            if not service.get(field):
                errors.append(required(f"{at}.service.{field}", f"service {field} is required"))
        path = service.get("path")
        if path is not None and not path.startswith("/"):
            text = "must start with a '/'"
            errors.append(invalid(f"{at}.service.path", path, text))


def validate_rule(rule: Object, at: str, errors: Errors) -> None:
    """Which requests a webhook or a policy sees."""
    operations = rule.get("operations") or []
    if not operations:
        errors.append(required(f"{at}.operations"))
    if "*" in operations and len(operations) > 1:
        text = "if '*' is present, must not specify other operations"
        errors.append(invalid(f"{at}.operations", operations, text))
    for number, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            errors.append(not_supported(f"{at}.operations[{number}]", operation, _OPERATIONS))
    for field, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        if not values:
            errors.append(required(f"{at}.{field}"))
        if "*" in values and len(values) > 1:
            text = f"if '*' is present, must not specify other {what}"
            errors.append(invalid(f"{at}.{field}", values, text))
    if not rule.get("resources"):
        errors.append(required(f"{at}.resources"))
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        errors.append(not_supported(f"{at}.scope", scope, _SCOPES))


def _kind(*, mutating: bool) -> Kind:
    return Kind(
        default=lambda obj: _defaults(obj, mutating=mutating),
        validate_create=_validate,
        validate_update=lambda new, _: _validate(new),
        unconditional_update=False,
        columns=(NAME, Column("Webhooks", count("webhooks"), type="integer"), AGE),
    )


MUTATING_WEBHOOK_CONFIGURATION = _kind(mutating=True)
VALIDATING_WEBHOOK_CONFIGURATION = _kind(mutating=False)
