# SPDX-License-Identifier: Apache-2.0
"""scheduling.k8s.io: PriorityClass: a name for a pod priority."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.part import Part

_HIGHEST = 1_000_000_000
_SYSTEM = {"system-node-critical": _HIGHEST * 2 + 1000, "system-cluster-critical": _HIGHEST * 2}


def validate_class(part: Part) -> None:
    name, value = meta.name(part.obj), part.get("value") or 0
    if name.startswith("system-"):
        wrong = _system(name, value, part.obj)
        if wrong:
            text = "priority class names with 'system-' prefix are reserved for system use only."
            part.forbidden("metadata.name", f"{text} error: {wrong}")
    elif value > _HIGHEST:
        text = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        part.forbidden("value", text)


def _system(name: str, value: int, class_: Object) -> str:
    known = _SYSTEM.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    if class_.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


def validate_class_update(part: Part, old: Object) -> None:
    if (part.get("value") or 0) != (old.get("value") or 0):
        part.forbidden("value", "may not be changed in an update.")
