# SPDX-License-Identifier: Apache-2.0
"""Query parameters and option bodies of writes: dryRun, fieldManager, fieldValidation."""

from dataclasses import dataclass
from functools import cache

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import invalid
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.data.sections import sections
from pybernetes.apis.rules import Rules
from pybernetes.apis.validation.meta import validate_field_manager
from pybernetes.apis.validation.part import Part
from pybernetes.apiserver.context import Context

_VALIDATIONS = ("Ignore", "Strict", "Warn")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Create, Update and Patch options. `manager` is never empty."""

    dry_run: bool
    manager: str
    validation: str  # Ignore, Warn or Strict
    force: bool | None  # None: not said


@cache
def _rules(what: str) -> Rules:
    return Rules(sections("options.txt", __package__)[what])


def findings(what: str, options: Object) -> Errors:
    """What a section of options.txt finds wrong with options."""
    part = Part(options)
    _rules(what).check(part)
    return part.errors


def default_manager(user_agent: str) -> str:
    """The manager's name where the client gives none: the User-Agent up to its first slash."""
    prefix = user_agent.split("/", 1)[0]
    printable = "".join(c for c in prefix[:128] if c.isprintable())
    return printable or "unknown"


def check_dry_run(values: tuple[str, ...] | list[str], kind: str) -> bool:
    """Whether nothing may be stored. Raises 422 for anything but All."""
    wrong = [value for value in values if value not in ("All", "")]
    if wrong:
        finding = field.not_supported("dryRun", list(values), ["All"])
        raise invalid(kind, "meta.k8s.io", "", [finding])
    return "All" in values


def write_options(ctx: Context, kind: str) -> WriteOptions:
    """The options of a create, update or patch. `kind` is CreateOptions, ..., for messages."""
    params = ctx.params
    manager = ctx.param("fieldManager")
    validation = ctx.param("fieldValidation")
    errors = validate_field_manager(manager)
    if validation and validation not in _VALIDATIONS:
        errors.append(field.not_supported("fieldValidation", validation, list(_VALIDATIONS)))
    if errors:
        raise invalid(kind, "meta.k8s.io", "", errors)
    return WriteOptions(
        dry_run=check_dry_run(params.get("dryRun", ()), kind),
        manager=manager or default_manager(ctx.request.headers.get("user-agent", "")),
        validation=validation or "Warn",
        force=ctx.flag("force") if "force" in params else None,
    )
