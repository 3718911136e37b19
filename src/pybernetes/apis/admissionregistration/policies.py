# SPDX-License-Identifier: Apache-2.0
"""Admission policies and their bindings: defaults and columns.

Expressions are checked where they are compiled, in the API server.
"""

import datetime

from pybernetes.apimachinery.field import Errors, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.admissionregistration.webhooks import validate_rule
from pybernetes.apis.columns import AGE, NAME, count, look, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind


def _match(constraints: Object | None) -> None:
    if constraints is None:
        return
    fill_missing(constraints, {"matchPolicy": "Equivalent"})
    for field in ("namespaceSelector", "objectSelector"):
        fill_missing(constraints, {field: {}})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in constraints.get(field) or ():
            fill_missing(rule, {"scope": "*"})


def _default_policy(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    fill_missing(spec, {"failurePolicy": "Fail"})
    _match(spec.get("matchConstraints"))


def _default_binding(binding: Object) -> None:
    _match(look(binding, "spec", "matchResources"))


def _validate_policy(policy: Object) -> Errors:
    errors: Errors = []
    constraints = look(policy, "spec", "matchConstraints")
    if constraints is None:
        return [required("spec.matchConstraints")]
    rules = constraints.get("resourceRules") or ()
    if not rules:
        errors.append(required("spec.matchConstraints.resourceRules"))
    for number, rule in enumerate(rules):
        validate_rule(rule, f"spec.matchConstraints.resourceRules[{number}]", errors)
    return errors


def _validate_binding(binding: Object) -> Errors:
    return [] if look(binding, "spec", "policyName") else [required("spec.policyName")]


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
        validate_create=_validate_policy,
        validate_update=lambda new, _: _validate_policy(new),
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
    validate_create=_validate_binding,
    validate_update=lambda new, _: _validate_binding(new),
    unconditional_update=False,
    columns=(
        NAME,
        Column("PolicyName", text("spec", "policyName")),
        Column("ParamRef", _param),
        AGE,
    ),
)
