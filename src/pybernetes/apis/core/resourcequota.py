# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: how much a namespace may use in all."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, look
from pybernetes.apis.core.podspec.resources import (
    validate_resource_name,
    validate_resource_value,
)
from pybernetes.apis.kind import Column, Kind

_QUOTA = frozenset(
    {
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
        "services.nodeports",
        "services.loadbalancers",
    }
)
_COMPUTE = frozenset(name for name in _QUOTA if name.endswith(("cpu", "memory")))
SCOPES = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
]
_PAIRS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def _applies(scope: str, resource: str) -> bool:
    if scope == "BestEffort":
        return resource == "pods"
    if scope == "VolumeAttributesClass":
        return resource in {"persistentvolumeclaims", "requests.storage"}
    return resource == "pods" or resource in _COMPUTE or "ephemeral-storage" in resource


def _amounts(amounts: dict[str, str], at: str, errors: Errors) -> None:
    for name, text in amounts.items():
        path = f"{at}[{name}]"
        known = name in _QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))
        if validate_resource_name(name, path, errors) and "/" not in name and not known:
            errors.append(invalid(path, name, "must be a standard resource for quota"))
        validate_resource_value(name, text, path, errors)


def _validate(quota: Object) -> Errors:
    errors: Errors = []
    spec = quota.get("spec") or {}
    hard = spec.get("hard") or {}
    _amounts(hard, "spec.hard", errors)
    scopes = spec.get("scopes") or []
    _scopes(scopes, scopes, hard, "spec.scopes", errors=errors)
    terms = look(spec, "scopeSelector", "matchExpressions") or []
    named = [term.get("scopeName") or "" for term in terms]
    _scopes(named, terms, hard, "spec.scopeSelector.matchExpressions", errors=errors)
    for term in terms:
        _term(term, "spec.scopeSelector.matchExpressions", errors)
    return errors


def _scopes(
    scopes: list[str], shown: list[object], hard: dict[str, str], at: str, *, errors: Errors
) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            errors.append(invalid(at, shown, "unsupported scope"))
            continue
        for name in sorted(hard):
            if name in _QUOTA and not _applies(scope, name):
                errors.append(invalid(at, shown, "unsupported scope applied to resource"))
    for one, other in _PAIRS:
        if one in scopes and other in scopes:
            errors.append(invalid(at, shown, "conflicting scopes"))


def _term(term: Object, at: str, errors: Errors) -> None:
    operator, values = term.get("operator"), term.get("values") or []
    if operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
        errors.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    elif operator in {"In", "NotIn"}:
        if not values:
            text = (
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            )
            errors.append(required(f"{at}.values", text))
    elif values:
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        errors.append(invalid(f"{at}.values", values, text))
    fixed = term.get("scopeName") in {
        "BestEffort",
        "NotBestEffort",
        "Terminating",
        "NotTerminating",
    }
    if fixed and operator not in {None, "Exists"}:
        errors.append(not_supported(f"{at}.operator", operator, ["Exists"]))


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    scopes, was = (look(quota, "spec", "scopes") or [] for quota in (new, old))
    if sorted(scopes) != sorted(was):
        errors.append(invalid("spec.scopes", scopes, "field is immutable"))
    return errors


def _validate_status_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    for field in ("hard", "used"):
        _amounts(look(new, "status", field) or {}, f"status.{field}", errors)
    return errors


def _usage(limits: bool) -> Cell:
    def cell(quota: Object, _: datetime.datetime) -> str:
        hard, used = (look(quota, "status", field) or {} for field in ("hard", "used"))
        names = [name for name in sorted(hard) if name.startswith("limits.") == limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


RESOURCE_QUOTA = Kind(
    validate_create=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    columns=(NAME, Column("Request", _usage(False)), Column("Limit", _usage(True)), AGE),
)
