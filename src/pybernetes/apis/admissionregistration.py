# SPDX-License-Identifier: Apache-2.0
"""admissionregistration.k8s.io: webhook configurations; admission policies and their bindings.

Expressions of policies are checked where they are compiled, in the API server.
"""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, count, look, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import fully_qualified
from pybernetes.apis.validation.part import Part, creating, updating

_SIDE_EFFECTS = ["None", "NoneOnDryRun"]
_OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]


def _defaults(configuration: Object, *, mutating: bool) -> None:
    for hook in configuration.get("webhooks") or ():
        _default_match(hook, "rules")
        fill_missing(hook, {"failurePolicy": "Fail", "timeoutSeconds": 10})
        if mutating:
            fill_missing(hook, {"reinvocationPolicy": "Never"})
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            fill_missing(service, {"port": 443})


def _default_match(obj: Object | None, *rules: str) -> None:
    """What a webhook or a policy matches."""
    if obj is not None:
        fill_missing(obj, {"matchPolicy": "Equivalent"})
        fill_missing(obj, {"namespaceSelector": {}, "objectSelector": {}})
        for rule in (rule for field in rules for rule in obj.get(field) or ()):
            fill_missing(rule, {"scope": "*"})


def _configuration(part: Part) -> None:
    names: list[str] = []
    for hook in part.each("webhooks"):
        name = hook.get("name") or ""
        hook.errors.extend(fully_qualified(name, hook.path("name")))
        if name and name in names:
            hook.duplicate("name", name)
        names.append(name)
        _hook(hook)


def _hook(hook: Part) -> None:
    for rule in hook.each("rules"):
        _rule(rule)
    hook.choice("failurePolicy", ["Fail", "Ignore"])
    hook.choice("matchPolicy", ["Equivalent", "Exact"])
    hook.choice("reinvocationPolicy", ["IfNeeded", "Never"])
    hook.choice("sideEffects", _SIDE_EFFECTS)
    if hook.get("sideEffects") is None:
        hook.required("sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        hook.invalid("timeoutSeconds", seconds, text)
    validate_label_selector(hook, "namespaceSelector")
    validate_label_selector(hook, "objectSelector")
    validate_client(hook.child("clientConfig"))
    versions = hook.get("admissionReviewVersions") or []
    hook.need("admissionReviewVersions", detail="must specify one of v1, v1beta1")
    if versions and not {"v1", "v1beta1"} & {*versions}:
        text = "must include at least one of v1, v1beta1"
        hook.invalid("admissionReviewVersions", versions, text)


def validate_client(config: Part) -> None:
    """Where a webhook answers: at a URL or behind a Service, not both."""
    url = config.get("url")
    if (url is None) == (config.get("service") is None):
        config.required("", "exactly one of url or service is required")
    elif url is not None:
        if not str(url).startswith("https://"):
            text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
            config.invalid("url", url, text)
    else:
        service = config.child("service")
        for field in ("name", "namespace"):
            service.need(field, detail=f"service {field} is required")
        path = service.get("path")
        if path is not None and not path.startswith("/"):
            service.invalid("path", path, "must start with a '/'")


def _rule(rule: Part) -> None:
    """Which requests a webhook or a policy sees."""
    rule.need("operations", "apiGroups", "apiVersions", "resources")
    alone = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}
    for field, what in alone.items():
        values = rule.get(field) or []
        if "*" in values and len(values) > 1:
            text = f"if '*' is present, must not specify other {what}"
            rule.invalid(field, values, text)
    for number, operation in enumerate(rule.get("operations") or ()):
        if operation not in _OPERATIONS:
            rule.unsupported(f"operations[{number}]", operation, _OPERATIONS)
    rule.choice("scope", ["*", "Cluster", "Namespaced"])


def _webhooks(*, mutating: bool) -> Kind:
    return Kind(
        default=lambda obj: _defaults(obj, mutating=mutating),
        validate_create=creating(_configuration),
        validate_update=updating(_configuration),
        unconditional_update=False,
        columns=(NAME, Column("Webhooks", count("webhooks"), type="integer"), AGE),
    )


MUTATING_WEBHOOK_CONFIGURATION = _webhooks(mutating=True)
VALIDATING_WEBHOOK_CONFIGURATION = _webhooks(mutating=False)


def _default_policy(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    fill_missing(spec, {"failurePolicy": "Fail"})
    _default_match(spec.get("matchConstraints"), "resourceRules", "excludeResourceRules")


def _default_binding(binding: Object) -> None:
    match = look(binding, "spec", "matchResources")
    _default_match(match, "resourceRules", "excludeResourceRules")


def _check_policy(policy: Part) -> None:
    spec = policy.child("spec")
    if spec.get("matchConstraints") is None:
        spec.required("matchConstraints")
        return
    constraints = spec.child("matchConstraints")
    constraints.need("resourceRules")
    for rule in constraints.each("resourceRules"):
        _rule(rule)


def _check_binding(binding: Part) -> None:
    binding.child("spec").need("policyName")


def _param_kind(policy: Object, _: datetime.datetime) -> str:
    kind = look(policy, "spec", "paramKind")
    return "<unset>" if kind is None else f"{kind.get('apiVersion')}/{kind.get('kind')}"


def _param(binding: Object, _: datetime.datetime) -> str:
    reference = look(binding, "spec", "paramRef") or {}
    if not reference.get("name"):
        return "<unset>"
    return f"{reference.get('namespace') or '*'}/{reference['name']}"


def _policy(name: str, field: str) -> Kind:
    return Kind(
        default=_default_policy,
        validate_create=creating(_check_policy),
        validate_update=updating(_check_policy),
        unconditional_update=False,
        columns=(
            NAME,
            Column(name, count("spec", field), type="integer"),
            Column("ParamKind", _param_kind),
            AGE,
        ),
    )


VALIDATING_ADMISSION_POLICY = _policy("Validations", "validations")
MUTATING_ADMISSION_POLICY = _policy("Mutations", "mutations")
ADMISSION_POLICY_BINDING = Kind(
    default=_default_binding,
    validate_create=creating(_check_binding),
    validate_update=updating(_check_binding),
    unconditional_update=False,
    columns=(
        NAME,
        Column("PolicyName", text("spec", "policyName")),
        Column("ParamRef", _param),
        AGE,
    ),
)
