# SPDX-License-Identifier: Apache-2.0
"""Affinity and topology spread constraints of a pod spec, beyond the rows of data/rules.txt."""

from collections.abc import Iterator

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.nodeaffinity import PREFERRED, REQUIRED
from pybernetes.apis.validation.names import dns1123_label, qualified_name
from pybernetes.apis.validation.part import Part


def pod_terms(spec: Object) -> Iterator[Object]:
    """Every term of a pod's affinity and anti-affinity to other pods, required or preferred."""
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = look(spec, "affinity", kind) or {}
        yield from affinity.get(REQUIRED) or ()
        yield from (one.get("podAffinityTerm") or {} for one in affinity.get(PREFERRED) or ())


def validate_pod_term(term: Part) -> None:
    for name in term.get("namespaces") or ():
        term.wrong("namespace", name, dns1123_label(name))
    _label_keys(term)


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
    """topologySpreadConstraints beside one another."""
    parts = list(spec.each(field))
    pairs = [(one.get("topologyKey"), one.get("whenUnsatisfiable")) for one in parts]
    for number, part in enumerate(parts):
        if pairs[number] in pairs[number + 1 :]:
            key, action = pairs[number]
            part.duplicate("{topologyKey, whenUnsatisfiable}", f"{{{key or ''}, {action}}}")


def validate_constraint(part: Part) -> None:
    action = part.get("whenUnsatisfiable")
    if part.get("minDomains") is not None and action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        part.invalid("minDomains", part.get("minDomains"), text)
    _label_keys(part)
