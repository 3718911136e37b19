# SPDX-License-Identifier: Apache-2.0
"""Label selectors, as text and as objects, and field selectors: parse, print, match.

Grammar, errors and canonical text are upstream's (k8s.io/apimachinery pkg/labels and pkg/fields).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pybernetes.apimachinery import names
from pybernetes.apimachinery.errors import aggregate
from pybernetes.apimachinery.field import Errors, invalid, not_supported, show
from pybernetes.apimachinery.labelparser import SelectorError, Term, parse_terms
from pybernetes.apimachinery.types import Object

_NONE: Mapping[str, str] = {}
_PART = re.compile(r"(?:[^,\\]|\\.?)+", re.DOTALL)  # of a field selector: up to a bare comma
_ESCAPED = re.compile(r"(\\.?)|([,=])", re.DOTALL)
_OPERATORS = ["in", "notin", "=", "==", "!=", "gt", "lt", "exists", "!"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term, with the operators of labelparser."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator in {"=", "==", "in"}:
            return value is not None and value in self.values
        if self.operator in {"!=", "notin"}:
            return value is None or value not in self.values
        if self.operator in {"exists", "!"}:
            return (value is not None) == (self.operator == "exists")
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        number, limit = _int64(value), _int64(self.values[0])
        if number is None or limit is None:
            return False
        return number > limit if self.operator == "gt" else number < limit

    def __str__(self) -> str:
        if self.operator in {"exists", "!"}:
            return ("!" if self.operator == "!" else "") + self.key
        values = ",".join(sorted(self.values))
        if self.operator in {"in", "notin"}:
            return f"{self.key} {self.operator} ({values})"
        return f"{self.key}{ {'gt': '>', 'lt': '<'}.get(self.operator, self.operator) }{values}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold. `nothing` matches no object at all (a null selector)."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        labels = labels or _NONE
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def requirement_errors(key: str, operator: str, values: tuple[str, ...]) -> Errors:
    """What is wrong with a term (upstream's NewRequirement)."""
    errors: Errors = []
    wrong = names.label_key(key)
    if wrong:
        errors.append(invalid("key", key, "; ".join(wrong)))
    if operator in {"in", "notin"}:
        if not values:
            detail = "for 'in', 'notin' operators, values set can't be empty"
            errors.append(invalid("values", list(values), detail))
    elif operator in {"exists", "!"}:
        if values:
            detail = "values set must be empty for exists and does not exist"
            errors.append(invalid("values", list(values), detail))
    elif operator in {"gt", "lt"}:
        errors += _comparison_errors(values)
    elif operator not in {"=", "==", "!="}:
        errors.append(not_supported("operator", operator, _OPERATORS))
    for index, value in enumerate(values):
        wrong = names.label_value(value)
        if wrong:
            errors.append(invalid(f"values[{index}][{key}]", value, "; ".join(wrong)))
    return errors


def _comparison_errors(values: tuple[str, ...]) -> Errors:
    errors: Errors = []
    if len(values) != 1:
        detail = "for 'Gt', 'Lt' operators, exactly one value is required"
        errors.append(invalid("values", list(values), detail))
    for index, value in enumerate(values):
        if _int64(value) is None:
            detail = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid(f"values[{index}]", value, detail))
    return errors


def _requirement(term: Term) -> Requirement:
    errors = requirement_errors(*term)
    if errors:
        raise SelectorError(aggregate([str(error) for error in errors]))
    return Requirement(*term)


def _selector(requirements: list[Requirement]) -> Selector:
    return Selector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """The selector that a labelSelector parameter says. Raises SelectorError."""
    found = []
    for term in parse_terms(text):
        try:
            found.append(_requirement(term))
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from error
    return _selector(found)


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """The selector of exactly these labels; it is not checked. Nothing given: everything."""
    return _selector([Requirement(key, "=", (value,)) for key, value in (labels or _NONE).items()])


OBJECT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: Object | None) -> Selector:
    """The selector of a LabelSelector object: null selects nothing, {} everything.

    Raises SelectorError.
    """
    if selector is None:
        return NOTHING
    found = []
    for key, value in (selector.get("matchLabels") or _NONE).items():
        found.append(_requirement((key, "=", (value,))))
    for expression in selector.get("matchExpressions") or ():
        operator = OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            shown = show(expression.get("operator", ""))
            raise SelectorError(f"{shown} is not a valid label selector operator")
        values = tuple(expression.get("values") or ())
        found.append(_requirement((expression.get("key", ""), operator, values)))
    return _selector(found)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector."""

    field: str
    operator: str  # "=" or "!="
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        """A field that is not there has the value ""."""
        return (fields.get(self.field, "") == self.value) == (self.operator == "=")


@lru_cache(maxsize=1024)
def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """What a fieldSelector parameter says: all terms must hold. Raises SelectorError."""
    return tuple(_field_term(part, text) for part in sorted(_PART.findall(text)))


def _field_term(part: str, text: str) -> FieldTerm:
    positions = [at for at in (part.find("!="), part.find("=")) if at >= 0]
    if not positions:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
    at = min(positions)
    written = next(known for known in ("!=", "==", "=") if part.startswith(known, at))
    value = _unescape(part[at + len(written) :])
    return FieldTerm(part[:at], "!=" if written == "!=" else "=", value)


def _unescape(text: str) -> str:
    for escaped, bare in _ESCAPED.findall(text):
        if bare:
            detail = f"unescaped character in value: {ord(bare)}"
        elif escaped[1:] not in ("\\", ",", "="):
            detail = f"invalid escape sequence: {escaped}"
        else:
            continue
        raise SelectorError(f"invalid field selector: {detail}")
    return _ESCAPED.sub(lambda found: found[1][1:], text)


def _int64(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    plain = "_" not in text and text.strip() == text
    return number if plain and -(2**63) <= number < 2**63 else None
