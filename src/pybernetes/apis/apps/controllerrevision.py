# SPDX-License-Identifier: Apache-2.0
"""ControllerRevision: a template as it once was; its data never changes."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid
from pybernetes.apimachinery.types import Object, split_api_version
from pybernetes.apis.columns import AGE, NAME, number
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import NEGATIVE, validate_immutable


def _validate(revision: Object) -> Errors:
    errors: Errors = []
    if (revision.get("revision") or 0) < 0:
        errors.append(invalid("revision", revision["revision"], NEGATIVE))
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    validate_immutable(new.get("data"), old.get("data"), "data", errors)
    return errors


def _controller(revision: Object, _: datetime.datetime) -> str:
    owner = meta.controller_of(revision)
    if owner is None:
        return "<none>"
    group = split_api_version(owner.get("apiVersion") or "")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


CONTROLLER_REVISION = Kind(
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(NAME, Column("Controller", _controller), Column("Revision", number("revision")), AGE),
)
