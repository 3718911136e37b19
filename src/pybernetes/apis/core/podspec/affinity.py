# SPDX-License-Identifier: Apache-2.0
"""Affinity and topology spread constraints of a pod spec."""

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.nodeaffinity import (
    PREFERRED,
    REQUIRED,
    validate_node_selector,
    validate_term,
)
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_label, qualified_name

_WEIGHT = "must be in the range 1-100"
_ACTIONS = ["DoNotSchedule", "ScheduleAnyway"]
_POLICIES = ["Honor", "Ignore"]


def validate_affinity(affinity: Object, at: str, errors: Errors) -> None:
    node = affinity.get("nodeAffinity") or {}
    if node.get(REQUIRED) is not None:
        validate_node_selector(node[REQUIRED], f"{at}.nodeAffinity.{REQUIRED}", errors)
    for number, term in enumerate(node.get(PREFERRED) or ()):
        path = f"{at}.nodeAffinity.{PREFERRED}[{number}]"
        _weight(term, path, errors)
        validate_term(term.get("preference") or {}, f"{path}.preference", errors, any_value=True)
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(name) or {}
        for number, term in enumerate(terms.get(REQUIRED) or ()):
            _pod_term(term, f"{at}.{name}.{REQUIRED}[{number}]", errors)
        for number, weighted in enumerate(terms.get(PREFERRED) or ()):
            path = f"{at}.{name}.{PREFERRED}[{number}]"
            _weight(weighted, path, errors)
            _pod_term(weighted.get("podAffinityTerm") or {}, f"{path}.podAffinityTerm", errors)


def _weight(term: Object, at: str, errors: Errors) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        errors.append(invalid(f"{at}.weight", weight, _WEIGHT))


def _pod_term(term: Object, at: str, errors: Errors) -> None:
    validate_label_selector(term.get("labelSelector"), f"{at}.labelSelector", errors)
    validate_label_selector(term.get("namespaceSelector"), f"{at}.namespaceSelector", errors)
    for name in term.get("namespaces") or ():
        errors.extend(invalid(f"{at}.namespace", name, text) for text in dns1123_label(name))
    _label_keys(term, at, errors)
    key = term.get("topologyKey") or ""
    if not key:
        errors.append(required(f"{at}.topologyKey", "can not be empty"))
    errors.extend(invalid(f"{at}.topologyKey", key, text) for text in qualified_name(key))


def _label_keys(term: Object, at: str, errors: Errors) -> None:
    selector = term.get("labelSelector")
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(field) or ()
        if keys and selector is None:
            text = "must not be specified when labelSelector is not set"
            errors.append(invalid(f"{at}.{field}", keys, text))
        for number, key in enumerate(keys):
            wrong = qualified_name(key)
            errors.extend(invalid(f"{at}.{field}[{number}]", key, text) for text in wrong)
    keys = term.get("matchLabelKeys") or []
    if selector is not None and keys:
        seen = set(selector.get("matchLabels") or ())
        for one in selector.get("matchExpressions") or ():
            key = one.get("key")
            if key in keys and key in seen:
                text = "exists in both matchLabelKeys and labelSelector"
                errors.append(invalid(f"{at}[{keys.index(key)}]", key, text))
            seen.add(key)
    for number, key in enumerate(keys):
        if key in (term.get("mismatchLabelKeys") or ()):
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid(f"{at}.matchLabelKeys[{number}]", key, text))


def validate_spread(constraints: list[Object], at: str, errors: Errors) -> None:
    """topologySpreadConstraints."""
    pairs = [(one.get("topologyKey"), one.get("whenUnsatisfiable")) for one in constraints]
    for number, constraint in enumerate(constraints):
        path = f"{at}[{number}]"
        skew, key = constraint.get("maxSkew") or 0, constraint.get("topologyKey") or ""
        action = constraint.get("whenUnsatisfiable")
        if skew <= 0:
            errors.append(invalid(f"{path}.maxSkew", skew, "must be greater than zero"))
        if not key:
            errors.append(required(f"{path}.topologyKey", "can not be empty"))
        errors.extend(invalid(f"{path}.topologyKey", key, text) for text in qualified_name(key))
        if action not in _ACTIONS:
            errors.append(not_supported(f"{path}.whenUnsatisfiable", action, _ACTIONS))
        if pairs[number] in pairs[number + 1 :]:
            shown = f"{{{key}, {action}}}"
            errors.append(duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", shown))
        _spread_options(constraint, path, errors)


def _spread_options(constraint: Object, at: str, errors: Errors) -> None:
    domains, action = constraint.get("minDomains"), constraint.get("whenUnsatisfiable")
    if domains is not None:
        if domains <= 0:
            errors.append(invalid(f"{at}.minDomains", domains, "must be greater than zero"))
        if action != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            errors.append(invalid(f"{at}.minDomains", domains, text))
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(field)
        if policy is not None and policy not in _POLICIES:
            errors.append(not_supported(f"{at}.{field}", policy, _POLICIES))
    _label_keys(constraint, at, errors)
    validate_label_selector(constraint.get("labelSelector"), f"{at}.labelSelector", errors)
