# SPDX-License-Identifier: Apache-2.0
"""Lists of status conditions, as values: every function returns a new list. Pure."""

from collections.abc import Sequence

from pybernetes.apimachinery.types import Object


def find(conditions: Sequence[Object] | None, kind: str) -> Object | None:
    for condition in conditions or ():
        if condition.get("type") == kind:
            return condition
    return None


def is_true(conditions: Sequence[Object] | None, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.get("status") == "True"


def without(conditions: Sequence[Object] | None, kind: str) -> list[Object]:
    return [condition for condition in conditions or () if condition.get("type") != kind]


def put(conditions: Sequence[Object] | None, condition: Object) -> list[Object]:
    """With `condition` last; nothing changes if one of the same status and reason is there.

    lastTransitionTime is kept while the status stays the same.
    """
    old = find(conditions, condition["type"])
    if old is not None and old.get("status") == condition["status"]:
        if old.get("reason") == condition.get("reason"):
            return list(conditions or ())
        if "lastTransitionTime" in old:
            condition = condition | {"lastTransitionTime": old["lastTransitionTime"]}
    return [*without(conditions, condition["type"]), condition]
