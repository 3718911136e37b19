# SPDX-License-Identifier: Apache-2.0
"""What data/rules.txt says of types: their defaults and what is wrong with them, wherever they stand.

Rows are compiled once, when a kind is first written, along the schema: a type is gone into where it
or a type below it has rows. Rows come in their order, then the types below, then code. Types that
contain themselves (JSONSchemaProps) are not gone into a second time.

The words of rows are DEFAULTS and CHECKS below; a missing field is passed over, unless the word is
one of ALWAYS. Code is named as module:function below pybernetes.apis.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pybernetes.apimachinery.field import too_many
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object
from pybernetes.apis.data import types
from pybernetes.apis.data.sections import Condition, Row, code, row, sections
from pybernetes.apis.validation import names
from pybernetes.apis.validation.addresses import validate_port
from pybernetes.apis.validation.meta import is_empty_selector, validate_labels
from pybernetes.apis.validation.part import Part, Rule

_FILE = "rules.txt"
_Check = Callable[[Part, str, Any, str], None]
"""(the object, the field, the row's arguments, its text)."""
_Fill = Callable[[Object], None]


def _set(part: Part, field: str, _: Any, text: str) -> None:
    """There, even if empty."""
    if part.get(field) is None:
        part.required(field, text)


def _between(part: Part, field: str, bounds: tuple[float, float], text: str) -> None:
    """A number in a range; a missing one is 0 for `within`, and passed over for `between`."""
    low, high = bounds
    value = part.get(field) or 0
    if not low <= value <= high:
        part.invalid(field, value, text or names.in_range(int(low), int(high)))


def _most(part: Part, field: str, bounds: tuple[float, float], _: str) -> None:
    """At most so many items."""
    count = len(part.get(field))
    if count > bounds[0]:
        part.errors.append(too_many(part.path(field), count, int(bounds[0])))


def _unique(part: Part, field: str, keys: list[str], _: str) -> None:
    """No two items are the same, or have the same value at a key."""
    items = part.get(field)
    if keys:
        part.unique(field, [item.get(keys[0]) or "" for item in items], f".{keys[0]}")
    else:
        part.unique(field, items)


def _named(part: Part, field: str, keys: list[str], _: str) -> None:
    """Where there are several items, each has something at a key."""
    for item in part.each(field) if len(part.get(field)) > 1 else ():
        item.need(keys[0])


def _distinct(part: Part, field: str, keys: list[str], _: str) -> None:
    """As `unique`, of those items that have something at the key."""
    seen = set()
    for item in part.each(field):
        value = item.get(keys[0])
        if value and value in seen:
            item.duplicate(keys[0], value)
        seen.add(value)


def _members(part: Part, field: str, known: list[str], _: str) -> None:
    for number, value in enumerate(part.get(field)):
        if value not in known:
            part.unsupported(f"{field}[{number}]", value, known)


def _some(part: Part, field: str, _: Any, text: str) -> None:
    """A label selector that does not select everything."""
    if is_empty_selector(part.get(field)):
        part.invalid(field, part.get(field), text)


def _exactly(part: Part, words: list[str], what: str) -> None:
    """One of the fields that are named, or of all but those that are named with a "!"."""
    but = words[0].startswith("!")
    used = [
        name
        for name, value in part.obj.items()
        if value is not None and (f"!{name}" not in words if but else name in words)
    ]
    if not used:
        part.required("", f"must specify a {what}")
    for name in used[1:]:
        part.forbidden(name, f"may not specify more than 1 {what}")


def _above(part: Part, field: str, others: list[str], text: str) -> None:
    """Greater than another field; a missing one is 0."""
    if part.get(field) <= (part.get(others[0]) or 0):
        part.invalid(field, part.get(field), text)


def _forbid(part: Part, field: str, _: Any, text: str) -> None:
    """Not there; an empty list is not."""
    if part.get(field) != []:
        part.forbidden(field, text)


def _quoted(arguments: Sequence[str]) -> list[str]:
    """Values that have spaces in them, as a JSON list."""
    found: list[str] = json.loads(" ".join(arguments))
    return found


def _words(arguments: Sequence[str]) -> list[str]:
    """Words as they are; a dash stands for an empty one."""
    return ["" if word == "-" else word for word in arguments]


def _bounds(arguments: Sequence[str]) -> tuple[float, float]:
    """One number: at least so much. Two: between them."""
    low, high = [*map(float, arguments), float("inf")][:2]
    return low, high


def named(name: str) -> Rule:
    """A rule of validation/names.py, or of another module."""
    found: Rule = code(name) if ":" in name else getattr(names, name)
    return found


def _rule(arguments: Sequence[str]) -> Rule:
    return named(*arguments)


def _code(arguments: Sequence[str]) -> Callable[[Part], None]:
    found: Callable[[Part], None] = code(arguments[0])
    return found


ALWAYS = frozenset(("need", "set", "one", "only", "must", "any", "within", "port", "deny"))
CHECKS: Mapping[str, tuple[Callable[[Sequence[str]], Any], _Check]] = {
    "need": (_words, lambda part, field, _, text: part.need(field, detail=text)),
    "set": (_words, _set),
    "one": (_words, lambda part, field, known, _: part.need_choice(field, known)),
    "only": (_words, lambda part, field, known, _: part.one_of(field, known)),
    "among": (_words, lambda part, field, known, _: part.choice(field, known)),
    "must": (_rule, lambda part, field, rule, _: part.need_rule(field, rule)),
    "is": (_rule, lambda part, field, rule, _: part.rule(field, rule)),
    "given": (_rule, lambda part, field, rule, _: part.given_rule(field, rule)),
    "any": (_rule, lambda part, field, rule, _: part.any_rule(field, rule)),
    "each": (_rule, lambda part, field, rule, _: part.list_rule(field, rule)),
    "count": (_words, lambda part, field, *_: part.counts(field)),
    "between": (_bounds, _between),
    "within": (_bounds, _between),
    "most": (_bounds, _most),
    "unique": (_words, _unique),
    "named": (_words, _named),
    "distinct": (_words, _distinct),
    "members": (_words, _members),
    "quoted": (_quoted, _members),
    "above": (_words, _above),
    "some": (_words, _some),
    "refuse": (_words, lambda part, field, _, text: part.invalid(field, part.get(field), text)),
    "forbid": (_words, _forbid),
    "deny": (_words, lambda part, field, _, text: part.forbidden(field, text)),
    "port": (_words, lambda part, field, *_: validate_port(part, field)),
    "labels": (_words, lambda part, field, *_: validate_labels(part, field)),
    "do": (_code, lambda part, field, check, _: check(part.child(field))),
}


def _fill(field: str, text: str, condition: Condition | None, *, empty: bool) -> _Fill:
    """Set a field where it is missing or null; where it is empty, too, if `empty`."""
    wanted = json.loads(text)
    plain = not isinstance(wanted, dict | list)

    def fill(obj: Object) -> None:
        value = obj.get(field)
        if (not value if empty else value is None) and (condition is None or condition(obj)):
            obj[field] = wanted if plain else copy.deepcopy(wanted)

    return fill


def _only(part: Part, words: list[str], _: str) -> None:
    """A field has one of these values, or the object is not supported."""
    field, *known = words
    if part.get(field) not in known:
        part.unsupported("", part.obj, known)


# What rows may say of the object itself, besides `do`.
WHOLE: Mapping[str, Callable[[Part, list[str], str], None]] = {
    "exactly": _exactly,
    "only": _only,
    "refuse": lambda part, _, text: part.invalid("", part.obj, text),
    "deny": lambda part, _, text: part.forbidden("", text),
    "set": lambda part, _, text: part.required("", text),
}


def _whole(one: Row) -> Callable[[Part], None]:
    if one.word == "do":
        return _code(one.arguments)
    check, condition = WHOLE[one.word], one.condition

    def run(part: Part) -> None:
        if condition is None or condition(part.obj):
            check(part, one.arguments, one.text)

    return run


class Rules:
    """The rows of one type, compiled, and those of the types below it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._fills: list[_Fill] = []
        self._filled: list[tuple[str, bool, Rules, Condition | None]] = []
        self._checks: list[tuple[str, bool, _Check, Any, str, Condition | None]] = []
        self._checked: list[tuple[str, bool, Rules, bool, bool]] = []
        self._code: list[Callable[[Part], None]] = []
        self._ways: dict[str, dict[str, Condition | None]] = {
            "apart": {},  # checked by code of this type, not where the walk comes by
            "always": {},  # checked where it is missing, too: a struct in Go
            "filled": {},  # gone into for defaults on a condition
        }
        for one in map(row, lines):
            self._add(one)

    def _add(self, one: Row) -> None:
        if one.word in ("default", "fill"):
            text, empty = one.arguments[0], one.word == "fill"
            self._fills.append(_fill(one.field, text, one.condition, empty=empty))
        elif one.word == "defaults":
            self._fills.append(code(one.arguments[0]))
        elif one.word in self._ways:
            self._ways[one.word][one.field] = one.condition
        elif one.field == ".":
            self._code.append(_whole(one))
        else:
            prepare, check = CHECKS[one.word]
            always, arguments = one.word in ALWAYS, prepare(one.arguments)
            self._checks.append((one.field, always, check, arguments, one.text, one.condition))

    def add_below(self, field: str, rules: "Rules", *, many: bool) -> None:
        """A field, or the items of the list in it, is of a type that has rules."""
        if rules._fills or rules._filled:
            self._filled.append((field, many, rules, self._ways["filled"].get(field)))
        if (rules._checks or rules._checked or rules._code) and field not in self._ways["apart"]:
            always = field in self._ways["always"]
            self._checked.append((field, many, rules, rules._needs, always))

    @property
    def _needs(self) -> bool:
        """True if something can be wrong with an empty object."""
        always = any(row[1] for row in self._checks) or any(below[4] for below in self._checked)
        return always or bool(self._code)

    def default(self, obj: Object) -> None:
        """Fill in what is missing, in place."""
        for fill in self._fills:
            fill(obj)
        for field, many, rules, condition in self._filled:
            value = obj.get(field)
            if value is not None and (condition is None or condition(obj)):
                for item in value if many else (value,):
                    rules.default(item)

    def check(self, part: Part, without: str = "") -> None:
        """Add what is wrong; `without`: a field that is not gone into."""
        get = part.get
        for field, always, check, arguments, text, condition in self._checks:
            value = get(field)
            if (value is not None or always) and (condition is None or condition(part.obj)):
                check(part, field, arguments, text)
        for field, many, rules, empty, always in self._checked:
            value = get(field)
            if (value or always or (empty and value is not None)) and field != without:
                for item in part.each(field) if many else (part.child(field),):
                    rules.check(item)
        for run in self._code:
            run(part)

    def check_below(self, part: Part, only: str) -> None:
        """As `check`, of the object at one field alone."""
        for field, _, rules, *_ in self._checked:
            if field == only:
                rules.check(part.child(field))


_compiled: dict[str, Rules] = {}


def of(name: str) -> Rules:
    """The rules of a type: io.k8s.api.core.v1.PodSpec. Raises KeyError."""
    return _compiled.get(name) or _compile(types.named(name))


def _compile(schema: Schema) -> Rules:
    short = ".".join(schema.name.split(".")[-3:])
    found = _compiled[schema.name] = Rules(sections(_FILE).get(short, ()))
    for field, child in schema.properties.items():
        many = child.type == "array"
        node = child.items if many else child
        if node is None or node.type != "object" or not node.name:
            continue
        below = _compiled.get(node.name) or _compile(node)
        found.add_below(field, below, many=many)
    return found
