# SPDX-License-Identifier: Apache-2.0
"""Taints and tolerations: who tolerates what, and for how long."""

from collections.abc import Iterable, Sequence

from pybernetes.apimachinery.field import FieldError
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import label_value, qualified_name
from pybernetes.apis.validation.part import Part

EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"]
HARD = ("NoSchedule", "NoExecute")


def tolerates(toleration: Object, taint: Object) -> bool:
    """True if one toleration matches one taint."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")


def is_tolerated(tolerations: Iterable[Object], taint: Object) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def untolerated(
    taints: Iterable[Object], tolerations: Sequence[Object], effects: Sequence[str] = HARD
) -> Object | None:
    """The first taint of these effects that no toleration matches; None if all are tolerated."""
    for taint in taints:
        if taint.get("effect") in effects and not is_tolerated(tolerations, taint):
            return taint
    return None


def no_execute_seconds(taints: Iterable[Object], tolerations: Sequence[Object]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints.

    0: it must go now (a taint is not tolerated); None: it may stay for ever; otherwise the
    shortest tolerationSeconds among the tolerations that are used.
    """
    limits: list[float] = []
    for taint in taints:
        if taint.get("effect") == "NoExecute":
            used = [toleration for toleration in tolerations if tolerates(toleration, taint)]
            if not used:
                return 0
            limits += [max(one["tolerationSeconds"], 0) for one in used if _has_limit(one)]
    return min(limits, default=None)


def _has_limit(toleration: Object) -> bool:
    return toleration.get("tolerationSeconds") is not None


def validate_taints(part: Part) -> None:
    """The list at the field "taints"."""
    seen: list[tuple[str, str]] = []
    for taint in part.each("taints"):
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        taint.any_rule("key", qualified_name)
        taint.rule("value", _label_value)
        taint.need_choice("effect", EFFECTS)
        if (key, effect) in seen:
            text = "taints must be unique by key and effect pair"
            shown = f'Duplicate value: {{"key":"{key}","effect":"{effect}"}}: {text}'
            taint.errors.append(FieldError("FieldValueDuplicate", taint.at, shown))
        seen.append((key, effect))


def _label_value(value: str) -> list[str]:
    wrong = label_value(value)
    return [";".join(wrong)] if wrong else []


_NO_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def validate_toleration(one: Part) -> None:
    operator, value = one.get("operator") or "", one.get("value") or ""
    one.rule("key", qualified_name)
    if not one.get("key") and operator != "Exists":
        one.invalid("operator", operator, _NO_KEY)
    if _has_limit(one.obj) and one.get("effect") != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        one.invalid("effect", one.get("effect") or "", text)
    if operator in {"", "Equal"}:
        one.wrong("operator", value, _label_value(value))
    elif operator != "Exists":
        one.unsupported("operator", operator, ["Equal", "Exists"])
    elif value:
        one.invalid("operator", value, "value must be empty when `operator` is 'Exists'")
    if one.get("effect"):
        one.choice("effect", EFFECTS)
