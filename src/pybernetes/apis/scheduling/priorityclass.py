# SPDX-License-Identifier: Apache-2.0
"""PriorityClass: a name for a pod priority."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden, not_supported
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, number, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_CLASSES = {
    "system-node-critical": HIGHEST_USER_PRIORITY * 2 + 1000,
    "system-cluster-critical": HIGHEST_USER_PRIORITY * 2,
}
_POLICIES = ["Never", "PreemptLowerPriority"]


def _validate(class_: Object) -> Errors:
    errors: Errors = []
    name, value = meta.name(class_), class_.get("value") or 0
    if name.startswith("system-"):
        wrong = _system(name, value, class_)
        if wrong:
            text = "priority class names with 'system-' prefix are reserved for system use only."
            errors.append(forbidden("metadata.name", f"{text} error: {wrong}"))
    elif value > HIGHEST_USER_PRIORITY:
        text = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errors.append(forbidden("value", text))
    policy = class_.get("preemptionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("preemptionPolicy", policy, _POLICIES))
    return errors


def _system(name: str, value: int, class_: Object) -> str:
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    if class_.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


def _validate_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    policy, was = new.get("preemptionPolicy"), old.get("preemptionPolicy")
    validate_immutable(policy, was, "preemptionPolicy", errors)
    return errors


PRIORITY_CLASS = Kind(
    default=lambda obj: fill_missing(obj, {"preemptionPolicy": "PreemptLowerPriority"}),
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("Value", number("value"), type="integer"),
        Column("Global-Default", lambda obj, _: bool(obj.get("globalDefault")), type="boolean"),
        AGE,
        Column("PreemptionPolicy", text("preemptionPolicy")),
    ),
)
