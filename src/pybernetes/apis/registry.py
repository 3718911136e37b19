# SPDX-License-Identifier: Apache-2.0
"""THE table, data/kinds.txt, read: which rules each kind has. A kind without a section is full
generic CRUD.

A section is headed [apiVersion/Kind], the version being the one that is stored. Its rows, in any
order but that of columns:

  name RULE                      how its names are checked
  FLAG                           create_on_update, status_on_create, answers_deleted, and
                                 conditional_update, no_generation
  grows FIELD                    a change of this field of metadata is a new generation, too
  stored_under PREFIX            where its objects are kept, if not under its plural
  default, prepare_create, prepare_update, prepare_status_update, graceful, held, begin_deletion,
  requestor, conversions CODE    fields of Kind
  check CODE                     after the rows of its type (rules.py), on create and update: (part)
  create CODE                    on create only, after that: (part)
  fixed PATH...                  fields that may not change
  update, status CODE            on update, of the object or of its status: (part, old)
  recheck no                     an update that changes no fixed field is not checked again
  select NAME [CELL]             a selectable field, its own path if no other cell is given
  alias NAME FIELD               another group's name for a selectable field of the stored form
  column NAME | CELL | FLAGS     of Table output, see columns.py

CronJob, ResourceQuota and kinds that nothing in this product acts on yet (HorizontalPodAutoscaler,
Ingress, NetworkPolicy, webhooks, APIService, CustomResourceDefinition, flow control) have defaults
and columns; beyond their schema and metadata only the types they share are checked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis import rules
from pybernetes.apis.columns import column, look, selectable
from pybernetes.apis.data import types
from pybernetes.apis.data.sections import code, sections
from pybernetes.apis.kind import Kind
from pybernetes.apis.validation.part import Part, validate_immutable

_FIELDS = frozenset(
    (
        *("default", "prepare_create", "prepare_update", "prepare_status_update", "graceful"),
        *("held", "begin_deletion", "requestor", "conversions"),
    )
)
_FLAGS = frozenset(("create_on_update", "status_on_create", "answers_deleted"))
_Hook = Callable[..., None]


class _Checks:
    """A kind's validate_* and default: the rows of its type, then its own code."""

    def __init__(self, type_: str, hooks: Mapping[str, list[str]]) -> None:
        self._type = type_
        self._fixed = [path.split(".") for path in hooks.get("fixed", ())]
        self._recheck = "recheck" not in hooks
        self._default = _hooks(hooks, "default")
        self._check, self._create = _hooks(hooks, "check"), _hooks(hooks, "create")
        self._update, self._status = _hooks(hooks, "update"), _hooks(hooks, "status")

    def default(self, obj: Object) -> None:
        rules.of(self._type).default(obj)
        for hook in self._default:
            hook(obj)

    def create(self, obj: Object) -> Errors:
        part = Part(obj)
        self._common(part)
        for hook in self._create:
            hook(part)
        return part.errors

    def update(self, new: Object, old: Object) -> Errors:
        part = Part(new)
        if self._recheck:
            self._common(part)
        for path in self._fixed:
            validate_immutable(look(new, *path), look(old, *path), ".".join(path), part.errors)
        for hook in self._update:
            hook(part, old)
        return part.errors

    def status(self, new: Object, old: Object) -> Errors:
        part = Part(new)
        rules.of(self._type).check_below(part, "status")
        for hook in self._status:
            hook(part, old)
        return part.errors

    def _common(self, part: Part) -> None:
        rules.of(self._type).check(part, without="status")
        for hook in self._check:
            hook(part)


def _hooks(rows: Mapping[str, list[str]], word: str) -> list[_Hook]:
    return [code(name) for name in rows.get(word, ())]


def _kind(type_: str, lines: Sequence[str]) -> Kind:
    rows: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        values = [rest.strip()] if word in ("column", "select", "alias") else rest.split()
        rows.setdefault(word, []).extend(values)
    checks = _Checks(type_, rows)
    selected = dict(_selected(rows.get("select", ())))
    fields: dict[str, Any] = {word: code(rows[word][0]) for word in _FIELDS & rows.keys()}
    fields |= dict.fromkeys(_FLAGS & rows.keys(), True)
    return Kind(
        **fields
        | {
            "default": checks.default,
            "validate_create": checks.create,
            "validate_update": checks.update,
            "validate_status_update": checks.status,
            "fields": lambda obj: {name: shown(obj) for name, shown in selected.items()},
            "field_names": tuple(selected),
            "field_aliases": dict(line.split() for line in rows.get("alias", ())),
            "columns": tuple(column(text) for text in rows.get("column", ())),
            "unconditional_update": "conditional_update" not in rows,
            "generation": "no_generation" not in rows,
            "grows": tuple(rows.get("grows", ())),
            "stored_under": "".join(rows.get("stored_under", ())),
            "validate_name": rules.named(rows["name"][0]) if "name" in rows else None,
        }
    )


def _selected(lines: Sequence[str]) -> Iterator[tuple[str, Callable[[Object], str]]]:
    for line in lines:
        name, _, text = line.partition(" ")
        yield name, selectable(text.strip() or f".{name}")


def _rules() -> Iterator[tuple[tuple[str, str], Kind]]:
    for name, lines in sections("kinds.txt").items():
        api_version, _, kind = name.rpartition("/")
        group = api_version.rpartition("/")[0]
        key = f"{api_version}/{kind}" if group else f"/{api_version}/{kind}"
        yield (group, kind), _kind(types.header()["kinds"][key], lines)


RULES: Mapping[tuple[str, str], Kind] = dict(_rules())
