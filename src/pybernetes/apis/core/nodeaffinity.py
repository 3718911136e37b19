# SPDX-License-Identifier: Apache-2.0
"""Which nodes a pod may or likes to run on: nodeSelector, node affinity, node selectors."""

from collections.abc import Iterable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.names import dns1123_subdomain, label_value, qualified_name

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def requirement_matches(requirement: Object, labels: dict[str, str]) -> bool:
    """One term of matchExpressions (or matchFields, with the fields as `labels`)."""
    key, operator = requirement.get("key") or "", requirement.get("operator")
    values: list[str] = requirement.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator in {"Exists", "DoesNotExist"}:
        return bool((key in labels) == (operator == "Exists"))
    return _compares(operator, labels.get(key), values)


def _compares(operator: str | None, value: str | None, values: Iterable[str]) -> bool:
    """Gt and Lt compare whole numbers; anything else does not match."""
    try:
        (limit,) = map(int, values)
        number = int(value or "")
    except ValueError:
        return False
    if operator == "Gt":
        return number > limit
    return operator == "Lt" and number < limit


def term_matches(term: Object, node: Object) -> bool:
    """One nodeSelectorTerm; one without any requirement matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels, names = meta.labels(node), {"metadata.name": meta.name(node)}
    if not all(requirement_matches(one, labels) for one in expressions):
        return False
    return all(requirement_matches(one, names) for one in fields)


def node_selector_matches(selector: Object, node: Object) -> bool:
    """A NodeSelector: any of its terms is enough."""
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def required_matches(spec: Object, node: Object) -> bool:
    """True if a pod with this spec may run on the node, as far as labels decide."""
    labels = meta.labels(node)
    wanted = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    selector = look(spec, "affinity", "nodeAffinity", REQUIRED)
    return selector is None or node_selector_matches(selector, node)


def preferred_score(spec: Object, node: Object) -> int:
    """The sum of weights of the preferred terms that match; an empty preference matches all."""
    terms = look(spec, "affinity", "nodeAffinity", PREFERRED) or ()
    return sum(term.get("weight") or 0 for term in terms if _prefers(term, node))


def _prefers(term: Object, node: Object) -> bool:
    preference = term.get("preference") or {}
    return term_matches(preference, node)


def validate_node_selector(selector: Object, at: str, errors: Errors) -> None:
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        text = "must have at least one node selector term"
        errors.append(required(f"{at}.nodeSelectorTerms", text))
    for number, term in enumerate(terms):
        validate_term(term, f"{at}.nodeSelectorTerms[{number}]", errors)


def validate_term(term: Object, at: str, errors: Errors, *, any_value: bool = False) -> None:
    for number, one in enumerate(term.get("matchExpressions") or ()):
        _expression(one, f"{at}.matchExpressions[{number}]", errors, any_value=any_value)
    for number, one in enumerate(term.get("matchFields") or ()):
        _field(one, f"{at}.matchFields[{number}]", errors)


def _expression(one: Object, at: str, errors: Errors, *, any_value: bool) -> None:
    operator, values = one.get("operator") or "", one.get("values") or ()
    if operator in {"In", "NotIn"}:
        if not values:
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{at}.values", text))
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{at}.values", text))
    elif operator in {"Gt", "Lt"}:
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{at}.values", text))
    else:
        errors.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    key = one.get("key") or ""
    errors.extend(invalid(f"{at}.key", key, text) for text in qualified_name(key))
    for number, value in enumerate(() if any_value else values):
        wrong = label_value(value)
        errors.extend(invalid(f"{at}.values[{number}]", value, text) for text in wrong)


def _field(one: Object, at: str, errors: Errors) -> None:
    operator, values, key = one.get("operator"), one.get("values") or (), one.get("key") or ""
    if operator not in {"In", "NotIn"}:
        errors.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{at}.values", text))
    if key != "metadata.name":
        errors.append(not_supported(f"{at}.key", key, ["metadata.name"]))
        return
    for number, value in enumerate(values):
        wrong = dns1123_subdomain(value)
        errors.extend(invalid(f"{at}.values[{number}]", value, text) for text in wrong)
