# SPDX-License-Identifier: Apache-2.0
"""certificatesigningrequests/approval: only the conditions Approved and Denied may be set."""

import datetime
from collections.abc import Callable

from pybernetes.apimachinery import field, timestamps
from pybernetes.apimachinery.field import Errors, Path
from pybernetes.apimachinery.types import Object

_KINDS = ("Approved", "Denied")


def approving(now: Callable[[], datetime.datetime]) -> Callable[[Object, Object], Object]:
    """The preparation: status.conditions comes from the new object, all else from the old one."""

    def prepare(new: Object, old: Object) -> Object:
        stamp = timestamps.rfc3339(now())
        before = {c.get("type"): c for c in (old.get("status") or {}).get("conditions") or ()}
        conditions = [dict(c) for c in (new.get("status") or {}).get("conditions") or ()]
        for condition in conditions:
            if condition.get("type") in _KINDS:
                known = before.get(condition["type"], {})
                condition.setdefault("status", "True")
                condition.setdefault("lastUpdateTime", known.get("lastUpdateTime") or stamp)
                since = known.get("lastTransitionTime") or stamp
                condition.setdefault("lastTransitionTime", since)
        status = {**(old.get("status") or {}), "conditions": conditions}
        if not conditions:
            del status["conditions"]
        return {**old, "metadata": new["metadata"], "status": status}

    return prepare


def check(new: Object, old: Object) -> Errors:
    """Approved and Denied exclude each other, and neither is taken back."""
    conditions = (new.get("status") or {}).get("conditions") or ()
    kinds = [condition.get("type") for condition in conditions]
    path = Path("status.conditions")
    errors: Errors = []
    if all(kind in kinds for kind in _KINDS):
        detail = "Approved and Denied conditions are mutually exclusive"
        errors.append(field.invalid(path, "Denied", detail))
    for condition in (old.get("status") or {}).get("conditions") or ():
        if condition.get("type") in _KINDS and condition["type"] not in kinds:
            detail = f"updates may not remove a condition of type {field.show(condition['type'])}"
            errors.append(field.forbidden(path, detail))
    return errors
