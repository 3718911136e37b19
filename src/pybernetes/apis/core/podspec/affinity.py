# SPDX-License-Identifier: Apache-2.0
"""Affinity and topology spread constraints of a pod spec."""

from pybernetes.apis.core.nodeaffinity import (
    PREFERRED,
    REQUIRED,
    validate_node_selector,
    validate_term,
)
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_label, qualified_name
from pybernetes.apis.validation.part import Part

_ACTIONS = ["DoNotSchedule", "ScheduleAnyway"]
_POLICIES = ["Honor", "Ignore"]
_POSITIVE = "must be greater than zero"


def validate_affinity(affinity: Part) -> None:
    node = affinity.child("nodeAffinity")
    if node.get(REQUIRED) is not None:
        validate_node_selector(node.child(REQUIRED))
    for term in node.each(PREFERRED):
        _weight(term)
        validate_term(term.child("preference"), any_value=True)
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.child(name)
        for term in terms.each(REQUIRED):
            _pod_term(term)
        for weighted in terms.each(PREFERRED):
            _weight(weighted)
            _pod_term(weighted.child("podAffinityTerm"))


def _weight(term: Part) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        term.invalid("weight", weight, "must be in the range 1-100")


def _pod_term(term: Part) -> None:
    validate_label_selector(term, "labelSelector")
    validate_label_selector(term, "namespaceSelector")
    for name in term.get("namespaces") or ():
        term.wrong("namespace", name, dns1123_label(name))
    _label_keys(term)
    _topology_key(term)


def _topology_key(term: Part) -> None:
    term.need("topologyKey", detail="can not be empty")
    term.any_rule("topologyKey", qualified_name)


def _label_keys(term: Part) -> None:
    selector, keys = term.get("labelSelector"), term.get("matchLabelKeys") or []
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        if term.get(field) and selector is None:
            text = "must not be specified when labelSelector is not set"
            term.invalid(field, term.get(field), text)
        term.list_rule(field, qualified_name)
    if selector is not None and keys:
        seen = set(selector.get("matchLabels") or ())
        for one in selector.get("matchExpressions") or ():
            key = one.get("key")
            if key in keys and key in seen:
                text, at = "exists in both matchLabelKeys and labelSelector", keys.index(key)
                Part(None, f"{term.at}[{at}]", term.errors).invalid("", key, text)
            seen.add(key)
    for number, key in enumerate(keys):
        if key in (term.get("mismatchLabelKeys") or ()):
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            term.invalid(f"matchLabelKeys[{number}]", key, text)


def validate_spread(spec: Part, field: str) -> None:
    """topologySpreadConstraints."""
    parts = list(spec.each(field))
    pairs = [(one.get("topologyKey"), one.get("whenUnsatisfiable")) for one in parts]
    for number, part in enumerate(parts):
        skew, (key, action) = part.get("maxSkew") or 0, pairs[number]
        if skew <= 0:
            part.invalid("maxSkew", skew, _POSITIVE)
        _topology_key(part)
        part.one_of("whenUnsatisfiable", _ACTIONS)
        if pairs[number] in pairs[number + 1 :]:
            part.duplicate("{topologyKey, whenUnsatisfiable}", f"{{{key or ''}, {action}}}")
        domains = part.get("minDomains")
        if domains is not None:
            if domains <= 0:
                part.invalid("minDomains", domains, _POSITIVE)
            if action != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                part.invalid("minDomains", domains, text)
        part.choice("nodeAffinityPolicy", _POLICIES)
        part.choice("nodeTaintsPolicy", _POLICIES)
        _label_keys(part)
        validate_label_selector(part, "labelSelector")
