# SPDX-License-Identifier: Apache-2.0
"""apiextensions.k8s.io: CustomResourceDefinition: names, versions and conversion.

Schemas are checked by the API server.
"""

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import CREATED, NAME, look
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Kind


def _default(definition: Object) -> None:
    spec: Object = definition.setdefault("spec", {})
    names: Object = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    fill_missing(spec, {"conversion": {"strategy": "None"}})
    service = look(spec, "conversion", "webhook", "clientConfig", "service")
    if service is not None:
        fill_missing(service, {"port": 443})


def _storage_version(definition: Object) -> str:
    versions = look(definition, "spec", "versions") or ()
    return next((version["name"] for version in versions if version.get("storage")), "")


def _prepare_create(definition: Object) -> None:
    stored = _storage_version(definition)
    definition["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else [],
    }


def _prepare_update(new: Object, old: Object) -> None:
    """A version that objects may be stored in from now on is remembered."""
    status = dict(old.get("status") or {})
    stored, current = list(status.get("storedVersions") or []), _storage_version(new)
    if current and current not in stored:
        stored.append(current)
    new["status"] = {**status, "storedVersions": stored}


CUSTOM_RESOURCE_DEFINITION = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    columns=(NAME, CREATED),
)
