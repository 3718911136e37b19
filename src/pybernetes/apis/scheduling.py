# SPDX-License-Identifier: Apache-2.0
"""scheduling.k8s.io: PriorityClass: a name for a pod priority."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, number, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.part import Part, creating

_HIGHEST = 1_000_000_000
_SYSTEM = {"system-node-critical": _HIGHEST * 2 + 1000, "system-cluster-critical": _HIGHEST * 2}


def _class(part: Part) -> None:
    name, value = meta.name(part.obj), part.get("value") or 0
    if name.startswith("system-"):
        wrong = _system(name, value, part.obj)
        if wrong:
            text = "priority class names with 'system-' prefix are reserved for system use only."
            part.forbidden("metadata.name", f"{text} error: {wrong}")
    elif value > _HIGHEST:
        text = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        part.forbidden("value", text)
    part.choice("preemptionPolicy", ["Never", "PreemptLowerPriority"])


def _system(name: str, value: int, class_: Object) -> str:
    known = _SYSTEM.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    if class_.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


def _class_update(new: Object, old: Object) -> Errors:
    part = Part(new)
    if (new.get("value") or 0) != (old.get("value") or 0):
        part.forbidden("value", "may not be changed in an update.")
    part.fixed(old, "preemptionPolicy")
    return part.errors


PRIORITY_CLASS = Kind(
    default=lambda obj: fill_missing(obj, {"preemptionPolicy": "PreemptLowerPriority"}),
    validate_create=creating(_class),
    validate_update=_class_update,
    columns=(
        NAME,
        Column("Value", number("value"), type="integer"),
        Column("Global-Default", lambda obj, _: bool(obj.get("globalDefault")), type="boolean"),
        AGE,
        Column("PreemptionPolicy", text("preemptionPolicy")),
    ),
)
