# SPDX-License-Identifier: Apache-2.0
"""Role and ClusterRole: what may be done."""

from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import CREATED, NAME
from pybernetes.apis.kind import Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import path_segment


def _rules(role: Object, namespaced: bool) -> Errors:
    errors: Errors = []
    for number, rule in enumerate(role.get("rules") or ()):
        _rule(rule, namespaced, f"rules[{number}]", errors)
    return errors


def _rule(rule: Object, namespaced: bool, at: str, errors: Errors) -> None:
    if not rule.get("verbs"):
        errors.append(required(f"{at}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        path = f"{at}.nonResourceURLs"
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid(path, urls, text))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(path, urls, text))
        return
    if not rule.get("apiGroups"):
        text = "resource rules must supply at least one api group"
        errors.append(required(f"{at}.apiGroups", text))
    if not rule.get("resources"):
        text = "resource rules must supply at least one resource"
        errors.append(required(f"{at}.resources", text))


def _validate_role(role: Object) -> Errors:
    return _rules(role, True)


def _validate_cluster_role(role: Object) -> Errors:
    errors = _rules(role, False)
    aggregation = role.get("aggregationRule")
    if aggregation is not None:
        at = "aggregationRule.clusterRoleSelectors"
        selectors = aggregation.get("clusterRoleSelectors") or ()
        if not selectors:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            errors.append(required(at, text))
        for number, selector in enumerate(selectors):
            validate_label_selector(selector, f"{at}[{number}]", errors)
    return errors


ROLE = Kind(
    validate_create=_validate_role,
    validate_update=lambda new, _: _validate_role(new),
    validate_name=path_segment,
    create_on_update=True,
    columns=(NAME, CREATED),
)
CLUSTER_ROLE = Kind(
    validate_create=_validate_cluster_role,
    validate_update=lambda new, _: _validate_cluster_role(new),
    validate_name=path_segment,
    create_on_update=True,
    columns=(NAME, CREATED),
)
