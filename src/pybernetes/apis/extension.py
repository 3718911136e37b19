# SPDX-License-Identifier: Apache-2.0
"""Kinds that extend or tune an API server, which here are only served: defaults and columns.

admissionregistration.k8s.io, apiextensions.k8s.io, apiregistration.k8s.io and
flowcontrol.apiserver.k8s.io.
"""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, CREATED, NAME, Cell, count, look, number, text
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind


def _default_webhooks(configuration: Object, *, mutating: bool) -> None:
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
        default=lambda obj: _default_webhooks(obj, mutating=mutating),
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


def _default_definition(definition: Object) -> None:
    spec: Object = definition.setdefault("spec", {})
    names: Object = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    fill_missing(spec, {"conversion": {"strategy": "None"}})
    service = look(spec, "conversion", "webhook", "clientConfig", "service")
    if service is not None:
        fill_missing(service, {"port": 443})


def _storage_version(definition: Object) -> str:
    versions = look(definition, "spec", "versions") or ()
    return next((version["name"] for version in versions if version.get("storage")), "")


def _prepare_create(definition: Object) -> None:
    stored = _storage_version(definition)
    definition["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else [],
    }


def _prepare_update(new: Object, old: Object) -> None:
    """A version that objects may be stored in from now on is remembered."""
    status = dict(old.get("status") or {})
    stored, current = list(status.get("storedVersions") or []), _storage_version(new)
    if current and current not in stored:
        stored.append(current)
    new["status"] = {**status, "storedVersions": stored}


CUSTOM_RESOURCE_DEFINITION = Kind(
    default=_default_definition,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    columns=(NAME, CREATED),
)


def _default_service(service: Object) -> None:
    backend = look(service, "spec", "service")
    if backend is not None:
        fill_missing(backend, {"port": 443})


def _service(service: Object, _: datetime.datetime) -> str:
    backend = look(service, "spec", "service")
    return f"{backend.get('namespace')}/{backend.get('name')}" if backend else "Local"


def _available(service: Object, _: datetime.datetime) -> str:
    condition = get_condition(service, "Available") or {"status": "Unknown"}
    status = str(condition.get("status"))
    if status != "True" and condition.get("reason"):
        return f"{status} ({condition['reason']})"
    return status


API_SERVICE = Kind(
    default=_default_service,
    columns=(NAME, Column("Service", _service), Column("Available", _available), AGE),
)


def _default_schema(schema: Object) -> None:
    fill(schema.setdefault("spec", {}), {"matchingPrecedence": 1000})


def _default_level(level: Object) -> None:
    spec: Object = level.setdefault("spec", {})
    if spec.get("exempt") is not None:
        fill_missing(spec["exempt"], {"nominalConcurrencyShares": 0, "lendablePercent": 0})
    if spec.get("limited") is not None:
        fill_missing(spec["limited"], {"nominalConcurrencyShares": 30, "lendablePercent": 0})
        queuing = look(spec, "limited", "limitResponse", "queuing")
        if queuing is not None:
            fill(queuing, {"handSize": 8, "queues": 64, "queueLengthLimit": 50})


def _missing(schema: Object, _: datetime.datetime) -> str:
    dangling = get_condition(schema, "Dangling")
    return "?" if dangling is None else str(dangling.get("status") or "")


def _limit(*path: str) -> Cell:
    def cell(level: Object, _: datetime.datetime) -> object:
        value = look(level, "spec", "limited", *path)
        return "<none>" if value is None else value

    return cell


FLOW_SCHEMA = Kind(
    default=_default_schema,
    columns=(
        NAME,
        Column("PriorityLevel", text("spec", "priorityLevelConfiguration", "name")),
        Column("MatchingPrecedence", number("spec", "matchingPrecedence")),
        Column("DistinguisherMethod", text("spec", "distinguisherMethod", "type", empty="<none>")),
        AGE,
        Column("MissingPL", _missing),
    ),
)
PRIORITY_LEVEL_CONFIGURATION = Kind(
    default=_default_level,
    columns=(
        NAME,
        Column("Type", text("spec", "type")),
        Column("NominalConcurrencyShares", _limit("nominalConcurrencyShares")),
        Column("Queues", _limit("limitResponse", "queuing", "queues")),
        Column("HandSize", _limit("limitResponse", "queuing", "handSize")),
        Column("QueueLengthLimit", _limit("limitResponse", "queuing", "queueLengthLimit")),
        AGE,
    ),
)
