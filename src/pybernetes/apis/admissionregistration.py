# SPDX-License-Identifier: Apache-2.0
"""admissionregistration.k8s.io: webhook configurations; admission policies and their bindings.

Expressions of policies are checked where they are compiled, in the API server.
"""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, count, look, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind


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


def _webhooks(*, mutating: bool) -> Kind:
    return Kind(
        default=lambda obj: _defaults(obj, mutating=mutating),
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
    unconditional_update=False,
    columns=(
        NAME,
        Column("PolicyName", text("spec", "policyName")),
        Column("ParamRef", _param),
        AGE,
    ),
)
