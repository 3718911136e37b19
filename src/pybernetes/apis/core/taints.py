# SPDX-License-Identifier: Apache-2.0
"""Taints and tolerations: who tolerates what, and for how long."""

from collections.abc import Iterable, Sequence

from pybernetes.apimachinery.field import Errors, FieldError, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import label_value, qualified_name

EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"]
NO_EXECUTE = ("NoExecute",)
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
    shortest: float | None = None
    for taint in taints:
        if taint.get("effect") != "NoExecute":
            continue
        used = [toleration for toleration in tolerations if tolerates(toleration, taint)]
        if not used:
            return 0
        limits = [one["tolerationSeconds"] for one in used if _has_limit(one)]
        if limits:
            lowest = max(min(limits), 0)
            shortest = lowest if shortest is None else min(shortest, lowest)
    return shortest


def _has_limit(toleration: Object) -> bool:
    return toleration.get("tolerationSeconds") is not None


def validate_taints(taints: Iterable[Object], at: str, errors: Errors) -> None:
    seen: list[tuple[str, str]] = []
    for number, taint in enumerate(taints):
        path = f"{at}[{number}]"
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        for text in qualified_name(key):
            errors.append(invalid(f"{path}.key", key, text))
        wrong = label_value(taint.get("value") or "")
        if wrong:
            errors.append(invalid(f"{path}.value", taint["value"], ";".join(wrong)))
        if not effect:
            errors.append(required(f"{path}.effect"))
        elif effect not in EFFECTS:
            errors.append(not_supported(f"{path}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            text = "taints must be unique by key and effect pair"
            shown = f'Duplicate value: {{"key":"{key}","effect":"{effect}"}}: {text}'
            errors.append(FieldError("FieldValueDuplicate", path, shown))
        seen.append((key, effect))


def validate_tolerations(tolerations: Iterable[Object], at: str, errors: Errors) -> None:
    for number, toleration in enumerate(tolerations):
        _toleration(toleration, f"{at}[{number}]", errors)


_NO_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def _toleration(toleration: Object, at: str, errors: Errors) -> None:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    effect = toleration.get("effect") or ""
    for text in qualified_name(key) if key else ():
        errors.append(invalid(f"{at}.key", key, text))
    if not key and operator != "Exists":
        errors.append(invalid(f"{at}.operator", operator, _NO_KEY))
    if _has_limit(toleration) and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{at}.effect", effect, text))
    _toleration_value(toleration.get("value") or "", operator, at, errors)
    if effect and effect not in EFFECTS:
        errors.append(not_supported(f"{at}.effect", effect, EFFECTS))


def _toleration_value(value: str, operator: str, at: str, errors: Errors) -> None:
    at = f"{at}.operator"
    if operator in {"", "Equal"}:
        wrong = label_value(value)
        if wrong:
            errors.append(invalid(at, value, ";".join(wrong)))
    elif operator == "Exists":
        if value:
            errors.append(invalid(at, value, "value must be empty when `operator` is 'Exists'"))
    else:
        errors.append(not_supported(at, operator, ["Equal", "Exists"]))
