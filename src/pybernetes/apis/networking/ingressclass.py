# SPDX-License-Identifier: Apache-2.0
"""IngressClass: who looks after an Ingress."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, required, too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, look, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable
from pybernetes.apis.validation.names import domain_prefixed_path

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def _default(class_: Object) -> None:
    parameters = look(class_, "spec", "parameters")
    if parameters is not None:
        fill_missing(parameters, {"scope": "Cluster"})


def _validate(class_: Object) -> Errors:
    spec = class_.get("spec") or {}
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    errors: Errors = [too_long("spec.controller", 250)] if len(controller) > 250 else []
    errors += domain_prefixed_path(controller, "spec.controller")
    if parameters is not None:
        for field in ("kind", "name"):
            if not parameters.get(field):
                errors.append(required(f"spec.parameters.{field}"))
        if parameters.get("scope") == "Namespace" and not parameters.get("namespace"):
            wrong = "`parameters.scope` is set to 'Namespace'"
            errors.append(required("spec.parameters.namespace", wrong))
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    controller, was = (look(one, "spec", "controller") for one in (new, old))
    validate_immutable(controller, was, "spec.controller", errors)
    return errors


def _name(class_: Object, _: datetime.datetime) -> str:
    default = meta.annotations(class_).get(DEFAULT_ANNOTATION) == "true"
    return meta.name(class_) + (" (default)" if default else "")


def _parameters(class_: Object, _: datetime.datetime) -> str:
    found = look(class_, "spec", "parameters")
    if found is None:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
    return f"{found.get('kind') or ''}{group}/{found.get('name') or ''}"


INGRESS_CLASS = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        Column("Name", _name, format="name"),
        Column("Controller", text("spec", "controller")),
        Column("Parameters", _parameters),
        AGE,
    ),
)
