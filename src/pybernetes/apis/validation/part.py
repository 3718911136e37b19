# SPDX-License-Identifier: Apache-2.0
"""Part: a piece of an object under validation, and the small rules that most fields need.

A validator takes a Part and says what it wants of its fields; paths are only written out where
there is something to say, so that an object without findings costs little.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pybernetes.apimachinery import field as findings
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object

NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
Rule = Callable[[Any], list[str]]  # what is wrong with a value


class Part:
    """An object, where it is, and the list that findings go to (shared with its children)."""

    __slots__ = ("_above", "_number", "_step", "errors", "get", "obj")

    def __init__(  # noqa: PLR0917 -- made for every object that is looked at
        self,
        obj: Object | None,
        at: str = "",
        errors: Errors | None = None,
        above: "Part | None" = None,
        number: int = -1,
    ) -> None:
        self.obj: Object = obj or {}
        self._step = at  # the whole path, or below another part the last step of it
        self._above, self._number = above, number
        self.errors: Errors = [] if errors is None else errors
        self.get: Callable[[str], Any] = self.obj.get

    @property
    def at(self) -> str:
        """Where the object is."""
        if self._above is None:
            return self._step
        path = self._above.path(self._step)
        return path if self._number < 0 else f"{path}[{self._number}]"

    def path(self, field: str = "") -> str:
        """Where a field is; the part itself without one."""
        at = self.at
        return f"{at}.{field}" if at and field else at or field

    def child(self, field: str) -> "Part":
        """The object at a field; an empty one where there is none."""
        return Part(self.get(field), field, self.errors, self)

    def each(self, field: str) -> "Iterable[Part]":
        """The objects of the list at a field."""
        items = self.get(field)
        if not items:
            return ()
        errors = self.errors
        return [Part(item, field, errors, self, number) for number, item in enumerate(items)]

    # Findings

    def invalid(self, field: str, value: Any, text: str) -> None:
        self.errors.append(findings.invalid(self.path(field), value, text))

    def required(self, field: str, detail: str = "") -> None:
        self.errors.append(findings.required(self.path(field), detail))

    def forbidden(self, field: str, text: str) -> None:
        self.errors.append(findings.forbidden(self.path(field), text))

    def unsupported(self, field: str, value: Any, known: Sequence[str]) -> None:
        self.errors.append(findings.not_supported(self.path(field), value, list(known)))

    def duplicate(self, field: str, value: Any) -> None:
        self.errors.append(findings.duplicate(self.path(field), value))

    def wrong(self, field: str, value: Any, texts: Iterable[str]) -> None:
        """A finding for each text."""
        for text in texts:
            self.invalid(field, value, text)

    # Rules: of a field that may be missing, unless the name says otherwise

    def need(self, *fields: str, detail: str = "") -> None:
        """Fields that may not be empty."""
        for field in fields:
            if not self.get(field):
                self.required(field, detail)

    def rule(self, field: str, rule: Rule) -> None:
        """A value follows a rule unless it is empty."""
        value = self.get(field)
        if value:
            for text in rule(value):
                self.invalid(field, value, text)

    def given_rule(self, field: str, rule: Rule) -> None:
        """A value follows a rule even if it is empty (a pointer in Go)."""
        value = self.get(field)
        self.wrong(field, value, rule(value))

    def need_rule(self, field: str, rule: Rule) -> None:
        """A value is there and follows a rule."""
        self.need(field)
        self.rule(field, rule)

    def any_rule(self, field: str, rule: Rule) -> None:
        """A value follows a rule; a missing text is an empty one."""
        value = self.get(field) or ""
        self.wrong(field, value, rule(value))

    def list_rule(self, field: str, rule: Rule) -> None:
        """Each value of a list follows a rule."""
        for number, value in enumerate(self.get(field) or ()):
            for text in rule(value):
                self.invalid(f"{field}[{number}]", value, text)

    def choice(self, field: str, known: Sequence[str]) -> None:
        value = self.get(field)
        if value is not None and value not in known:
            self.unsupported(field, value, known)

    def need_choice(self, field: str, known: Sequence[str]) -> None:
        """One of the known values; a missing one is required."""
        self.choose(field, self.get(field), known)

    def choose(self, field: str, value: str | None, known: Sequence[str]) -> None:
        """As need_choice, for a value that is not the field's own."""
        if value not in known:
            self.unsupported(field, value, known) if value else self.required(field)

    def one_of(self, field: str, known: Sequence[str]) -> None:
        """One of the known values; a missing one is not supported either."""
        value = self.get(field)
        if value not in known:
            self.unsupported(field, value or "", known)

    def counts(self, *fields: str) -> None:
        """Numbers that are not negative."""
        for field in fields:
            if (self.get(field) or 0) < 0:
                self.invalid(field, self.get(field), NEGATIVE)

    def unique(self, field: str, values: Iterable[Any], key: str = "") -> None:
        """No value stands twice in a list; `key` is the item's field that holds it."""
        seen = []
        for number, value in enumerate(values):
            if value in seen:
                self.duplicate(f"{field}[{number}]{key}", value)
            seen.append(value)

    def fixed(self, old: Object, *fields: str) -> None:
        """Fields that may not change."""
        for field in fields:
            validate_immutable(self.get(field), old.get(field), self.path(field), self.errors)


_PLAIN_FLAGS = frozenset(  # booleans that are no pointers in Go: false and missing are the same
    {"hostIPC", "hostNetwork", "hostPID", "readOnly", "stdin", "stdinOnce", "tty"}
)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _pruned(item) for key, item in value.items()}
        return {
            key: item
            for key, item in kept.items()
            if item not in (None, "", [], {}) and (item is not False or key not in _PLAIN_FLAGS)
        }
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def same(new: Any, old: Any) -> bool:
    """Upstream's semantic equality: empty, null and missing are the same at every depth."""
    return bool(new == old) or (_pruned(new) or None) == (_pruned(old) or None)


def changed(new: Object, old: Object) -> str:
    """The fields of a spec that differ, as "spec.a, spec.b"."""
    fields = sorted(key for key in {*new, *old} if not same(new.get(key), old.get(key)))
    return ", ".join(f"spec.{field}" for field in fields)


def validate_immutable(new: Any, old: Any, at: str, errors: Errors) -> None:
    """Add a finding if a value changed."""
    if not same(new, old):
        errors.append(findings.invalid(at, new, IMMUTABLE))
