# SPDX-License-Identifier: Apache-2.0
"""labelSelector and fieldSelector of a request, as a Selection."""

from dataclasses import replace

from pybernetes.apimachinery import selectors
from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.selectors import FieldTerm
from pybernetes.apiserver.cache.entry import EVERYTHING, Selection
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.resources import Serving

_GENERIC = ("metadata.name", "metadata.namespace")


def selection_of(ctx: Context) -> Selection:
    """What the query selects. Raises 400 for text that is no selector."""
    label_text, field_text = ctx.param("labelSelector"), ctx.param("fieldSelector")
    terms = field_terms(ctx.serving, field_text) if field_text else ()
    if ctx.info.name and ctx.info.verb == "watch":
        terms = (*terms, FieldTerm("metadata.name", "=", ctx.info.name))
    if not label_text and not terms:
        return EVERYTHING
    labels = parse_labels(label_text) if label_text else None
    return Selection(labels, terms, _exact(labels, terms))


def parse_labels(text: str) -> selectors.Selector | None:
    """A label selector; None where it selects everything."""
    try:
        selector = selectors.parse(text)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return None if selector.empty else selector


def field_terms(serving: Serving, text: str) -> tuple[FieldTerm, ...]:
    """The terms of a field selector. Raises 400 for fields the resource does not offer."""
    try:
        parsed = selectors.parse_fields(text)
    except ValueError as error:
        raise bad_request(str(error)) from error
    rules = serving.row.rules
    known = (*_GENERIC, *rules.field_names, *rules.field_aliases)
    for term in parsed:
        if term.field not in known:
            raise bad_request(f"field label not supported: {term.field}")
    names = rules.field_aliases
    return tuple(replace(term, field=names.get(term.field, term.field)) for term in parsed)


def _exact(
    labels: selectors.Selector | None, terms: tuple[FieldTerm, ...]
) -> tuple[str, str, str] | None:
    for term in terms:
        if term.operator == "=" and term.value and term.field != "metadata.namespace":
            return "field", term.field, term.value
    for requirement in labels.requirements if labels is not None else ():
        if requirement.operator in ("=", "==", "in") and len(requirement.values) == 1:
            return "label", requirement.key, requirement.values[0]
    return None
