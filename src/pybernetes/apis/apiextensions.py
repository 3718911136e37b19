# SPDX-License-Identifier: Apache-2.0
"""apiextensions.k8s.io: CustomResourceDefinition: names, versions and conversion.

Schemas are checked by the API server.
"""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.admissionregistration import validate_client
from pybernetes.apis.columns import CREATED, NAME, look
from pybernetes.apis.core.pod.status import condition_true
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Kind
from pybernetes.apis.validation.names import dns1035_label, dns1123_subdomain
from pybernetes.apis.validation.part import Part, creating


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


def _definition(part: Part) -> None:
    spec = part.child("spec")
    group, names = spec.get("group") or "", spec.child("names")
    if meta.name(part.obj) != f"{names.get('plural') or ''}.{group}":
        text = 'must be spec.names.plural+"."+spec.group'
        part.invalid("metadata.name", meta.name(part.obj), text)
    spec.need_rule("group", dns1123_subdomain)
    if group and "." not in group:
        spec.invalid("group", group, "should be a domain with at least one dot")
    spec.need_choice("scope", ["Cluster", "Namespaced"])
    _names(names)
    _versions(spec)
    _conversion(spec.child("conversion"))


def _mixed_case(value: str) -> list[str]:
    texts = dns1035_label(value.lower())
    mixed = "may have mixed case, but should otherwise match: " if value != value.lower() else ""
    return [mixed + text for text in texts]


def _names(names: Part) -> None:
    names.need_rule("plural", dns1035_label)
    names.rule("singular", dns1035_label)
    names.need_rule("kind", _mixed_case)
    names.need_rule("listKind", _mixed_case)
    names.list_rule("shortNames", dns1035_label)
    names.list_rule("categories", dns1035_label)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        text = "kind and listKind may not be the same"
        names.invalid("listKind", names.get("listKind"), text)


def _versions(spec: Part) -> None:
    versions = spec.get("versions") or []
    names = [version.get("name") or "" for version in versions]
    spec.unique("versions", names, ".name")
    for version in spec.each("versions"):
        version.any_rule("name", dns1035_label)
        if look(version.obj, "schema", "openAPIV3Schema") is None:
            version.required("schema.openAPIV3Schema", "schemas are required")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        spec.invalid("versions", names, text)


def _conversion(conversion: Part) -> None:
    webhook = conversion.get("webhook")
    conversion.need_choice("strategy", ["None", "Webhook"])
    if conversion.get("strategy") == "Webhook":
        if webhook is None or webhook.get("clientConfig") is None:
            text = "required when strategy is set to Webhook"
            conversion.required("webhookClientConfig", text)
        else:
            at = conversion.path("webhookClientConfig")
            validate_client(Part(webhook["clientConfig"], at, conversion.errors))
    elif webhook is not None and conversion.get("strategy") == "None":
        text = "should not be set when strategy is not set to Webhook"
        conversion.invalid("webhook", webhook, text)


def _definition_update(new: Object, old: Object) -> Errors:
    part = Part(new)
    _definition(part)
    spec, names, was = part.child("spec"), part.child("spec").child("names"), old["spec"]
    spec.fixed(was, "group")
    names.fixed(was.get("names") or {}, "plural")
    if condition_true(old, "Established"):
        spec.fixed(was, "scope")
        names.fixed(was.get("names") or {}, "kind")
    known = [version.get("name") for version in spec.get("versions") or ()]
    for number, version in enumerate(look(new, "status", "storedVersions") or ()):
        if version not in known:
            text = (
                f"missing from spec.versions; {version} was previously a storage version, "
                "and must remain in spec.versions until a storage migration ensures no data "
                f"remains persisted in {version} and removes {version} from status.storedVersions"
            )
            part.invalid(f"status.storedVersions[{number}]", version, text)
    return part.errors


CUSTOM_RESOURCE_DEFINITION = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate_create=creating(_definition),
    validate_update=_definition_update,
    columns=(NAME, CREATED),
)
