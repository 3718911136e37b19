# SPDX-License-Identifier: Apache-2.0
"""Lists of status conditions, as values: every function returns a new list. Pure."""

import datetime
from collections.abc import Sequence
from typing import Any

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object


def new(
    kind: str, status: str, words: tuple[str, str], now: datetime.datetime, **more: Any
) -> Object:
    """`words`: reason and message."""
    head = {"type": kind, "status": status, "reason": words[0], "message": words[1]}
    return {**head, "lastTransitionTime": rfc3339(now), **more}


def of(obj: Object, kind: str) -> Object | None:
    """The condition of an object's status."""
    return find((obj.get("status") or {}).get("conditions"), kind)


def has(obj: Object, kind: str) -> bool:
    """Whether a condition of an object's status is True."""
    return is_true((obj.get("status") or {}).get("conditions"), kind)


def find(conditions: Sequence[Object] | None, kind: str) -> Object | None:
    for condition in conditions or ():
        if condition.get("type") == kind:
            return condition
    return None


def is_true(conditions: Sequence[Object] | None, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.get("status") == "True"


def first_true(obj: Object, *kinds: str) -> Object | None:
    """The first of these conditions that an object has, if it is True."""
    return next((of(obj, kind) for kind in kinds if has(obj, kind)), None)


def without(conditions: Sequence[Object] | None, kind: str) -> list[Object]:
    return [condition for condition in conditions or () if condition.get("type") != kind]


def renew(conditions: Sequence[Object] | None, condition: Object) -> list[Object]:
    """With `condition` last; lastTransitionTime is kept while the status stays the same."""
    old = find(conditions, condition["type"]) or {}
    if old.get("status") == condition["status"] and "lastTransitionTime" in old:
        condition = condition | {"lastTransitionTime": old["lastTransitionTime"]}
    return [*without(conditions, condition["type"]), condition]


def put(conditions: Sequence[Object] | None, condition: Object) -> list[Object]:
    """As `renew`, but nothing changes if one of the same status and reason is there."""
    old = find(conditions, condition["type"]) or {}
    if all(old.get(key) == condition.get(key) for key in ("type", "status", "reason")):
        return list(conditions or ())
    return renew(conditions, condition)
