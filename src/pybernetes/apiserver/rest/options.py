# SPDX-License-Identifier: Apache-2.0
"""Query parameters and option bodies of writes: dryRun, fieldManager, fieldValidation."""

from collections.abc import Sequence
from functools import cache

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import bad_request, invalid
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.data.sections import sections
from pybernetes.apis.rules import Rules
from pybernetes.apis.validation.meta import validate_field_manager
from pybernetes.apis.validation.part import Part
from pybernetes.apiserver.context import Context

_VALIDATIONS = ("Ignore", "Strict", "Warn")


def integer(text: str) -> int:
    """A number of a query. Raises 400."""
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


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


def set_dry_run(ctx: Context, values: Sequence[str], kind: str) -> None:
    """Nothing is stored where `values` say All. Raises 422 for anything else."""
    wrong = [value for value in values if value not in ("All", "")]
    if wrong:
        finding = field.not_supported("dryRun", list(values), ["All"])
        raise invalid(kind, "meta.k8s.io", "", [finding])
    ctx.dry_run = ctx.dry_run or "All" in values


def set_options(ctx: Context, kind: str) -> None:
    """Read the options of a create, update or patch. `kind` is CreateOptions, ..., for messages."""
    manager = ctx.param("fieldManager")
    validation = ctx.param("fieldValidation")
    errors = validate_field_manager(manager)
    if validation and validation not in _VALIDATIONS:
        errors.append(field.not_supported("fieldValidation", validation, list(_VALIDATIONS)))
    if errors:
        raise invalid(kind, "meta.k8s.io", "", errors)
    set_dry_run(ctx, ctx.params.get("dryRun", ()), kind)
    ctx.manager = manager or default_manager(ctx.request.headers.get("user-agent", ""))
    ctx.validation = validation or "Warn"
    ctx.force = ctx.flag("force")
