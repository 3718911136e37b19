# SPDX-License-Identifier: Apache-2.0
"""Which nodes a pod may or likes to run on: nodeSelector, node affinity, node selectors."""

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.meta import validate_requirement
from pybernetes.apis.validation.names import dns1123_subdomain
from pybernetes.apis.validation.part import Part

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = {**selectors.OBJECT_OPERATORS, "Gt": "gt", "Lt": "lt"}


def requirement_matches(requirement: Object, labels: dict[str, str]) -> bool:
    """One term of matchExpressions (or matchFields, with the fields as `labels`)."""
    operator = _OPERATORS.get(requirement.get("operator") or "")
    values = tuple(requirement.get("values") or ())
    if operator is None or (operator in {"gt", "lt"} and len(values) != 1):
        return False
    return selectors.Requirement(requirement.get("key") or "", operator, values).matches(labels)


def term_matches(term: Object, node: Object) -> bool:
    """One nodeSelectorTerm; one without any requirement matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels, names = meta.labels(node), {"metadata.name": meta.name(node)}
    if not all(requirement_matches(one, labels) for one in expressions):
        return False
    return all(requirement_matches(one, names) for one in fields)


def required_matches(spec: Object, node: Object) -> bool:
    """True if a pod with this spec may run on the node, as far as labels decide."""
    labels = meta.labels(node)
    wanted = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    selector = look(spec, "affinity", "nodeAffinity", REQUIRED)
    if selector is None:
        return True
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def preferred_score(spec: Object, node: Object) -> int:
    """The sum of weights of the preferred terms that match; an empty preference matches all."""
    terms = look(spec, "affinity", "nodeAffinity", PREFERRED) or ()
    return sum(
        term.get("weight") or 0
        for term in terms
        if term_matches(term.get("preference") or {}, node)
    )


def validate_node_selector(selector: Part) -> None:
    for term in selector.each("nodeSelectorTerms"):
        validate_preference(term, any_value=False)


def validate_preference(term: Part, *, any_value: bool = True) -> None:
    """A term, whose values may be anything if it is only preferred."""
    for one in term.each("matchExpressions"):
        validate_requirement(one, numeric=True, any_value=any_value)
    for one in term.each("matchFields"):
        _field(one)


def _field(one: Part) -> None:
    operator = one.get("operator")
    if operator not in {"In", "NotIn"}:
        one.invalid("operator", operator, "not a valid selector operator")
    elif len(one.get("values") or ()) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        one.required("values", text)
    one.one_of("key", ["metadata.name"])
    if one.get("key") == "metadata.name":
        one.list_rule("values", dns1123_subdomain)
