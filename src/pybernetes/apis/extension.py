# SPDX-License-Identifier: Apache-2.0
"""Kinds that extend or tune an API server, which here are only served: what their rows cannot say.

admissionregistration.k8s.io, apiextensions.k8s.io, apiregistration.k8s.io and
flowcontrol.apiserver.k8s.io.
"""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.columns import look


def default_names(spec: Object) -> None:
    """Of a CustomResourceDefinition: the singular and the list's kind follow from the kind."""
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"


def _storage_version(definition: Object) -> str:
    versions = look(definition, "spec", "versions") or ()
    return next((version["name"] for version in versions if version.get("storage")), "")


def prepare_create(definition: Object) -> None:
    stored = _storage_version(definition)
    definition["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else [],
    }


def prepare_update(new: Object, old: Object) -> None:
    """A version that objects may be stored in from now on is remembered."""
    status = dict(old.get("status") or {})
    stored, current = list(status.get("storedVersions") or []), _storage_version(new)
    if current and current not in stored:
        stored.append(current)
    new["status"] = {**status, "storedVersions": stored}


def available(service: Object, _: datetime.datetime) -> str:
    condition = conditions.of(service, "Available") or {"status": "Unknown"}
    status = str(condition.get("status"))
    if status != "True" and condition.get("reason"):
        return f"{status} ({condition['reason']})"
    return status


def missing(schema: Object, _: datetime.datetime) -> str:
    dangling = conditions.of(schema, "Dangling")
    return "?" if dangling is None else str(dangling.get("status") or "")
