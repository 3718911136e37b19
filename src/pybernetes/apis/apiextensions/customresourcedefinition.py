# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinition: names, versions and conversion. Schemas are checked by the API server."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, duplicate, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.admissionregistration.webhooks import validate_client
from pybernetes.apis.columns import CREATED, NAME, look
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Kind
from pybernetes.apis.validation.meta import validate_immutable
from pybernetes.apis.validation.names import dns1035_label, dns1123_subdomain

_SCOPES = ["Cluster", "Namespaced"]


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


def storage_version(definition: Object) -> str:
    versions = look(definition, "spec", "versions") or ()
    return next((version["name"] for version in versions if version.get("storage")), "")


def _prepare_create(definition: Object) -> None:
    stored = storage_version(definition)
    definition["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else [],
    }


def _prepare_update(new: Object, old: Object) -> None:
    """A version that objects may be stored in from now on is remembered."""
    status = dict(old.get("status") or {})
    stored, current = list(status.get("storedVersions") or []), storage_version(new)
    if current and current not in stored:
        stored.append(current)
    new["status"] = {**status, "storedVersions": stored}


def _validate(definition: Object) -> Errors:
    errors: Errors = []
    spec = definition.get("spec") or {}
    group, names = spec.get("group") or "", spec.get("names") or {}
    wanted = f"{names.get('plural') or ''}.{group}"
    if meta.name(definition) != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        errors.append(invalid("metadata.name", meta.name(definition), text))
    if not group:
        errors.append(required("spec.group"))
    else:
        errors.extend(invalid("spec.group", group, text) for text in dns1123_subdomain(group))
        if "." not in group:
            text = "should be a domain with at least one dot"
            errors.append(invalid("spec.group", group, text))
    scope = spec.get("scope")
    if scope not in _SCOPES:
        errors.append(
            not_supported("spec.scope", scope, _SCOPES) if scope else required("spec.scope")
        )
    _names(names, errors)
    _versions(spec.get("versions") or [], errors)
    _conversion(spec.get("conversion") or {}, "spec.conversion", errors)
    return errors


def _names(names: Object, errors: Errors) -> None:
    fields = ("plural", "singular", "kind", "listKind")
    for field in fields:
        value = names.get(field) or ""
        if not value:
            if field != "singular":
                errors.append(required(f"spec.names.{field}"))
            continue
        text = value.lower() if field.endswith(("kind", "Kind")) else value
        for wrong in dns1035_label(text):
            if text != value:
                wrong = f"may have mixed case, but should otherwise match: {wrong}"
            errors.append(invalid(f"spec.names.{field}", value, wrong))
    for field in ("shortNames", "categories"):
        for number, value in enumerate(names.get(field) or ()):
            at = f"spec.names.{field}[{number}]"
            errors.extend(invalid(at, value, text) for text in dns1035_label(value))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        text = "kind and listKind may not be the same"
        errors.append(invalid("spec.names.listKind", names["listKind"], text))


def _versions(versions: list[Object], errors: Errors) -> None:
    seen: list[str] = []
    for number, version in enumerate(versions):
        at, name = f"spec.versions[{number}]", version.get("name") or ""
        errors.extend(invalid(f"{at}.name", name, text) for text in dns1035_label(name))
        if name in seen:
            errors.append(duplicate(f"{at}.name", name))
        seen.append(name)
        if look(version, "schema", "openAPIV3Schema") is None:
            errors.append(required(f"{at}.schema.openAPIV3Schema", "schemas are required"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        errors.append(invalid("spec.versions", seen, text))


def _conversion(conversion: Object, at: str, errors: Errors) -> None:
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    if strategy not in {"None", "Webhook"}:
        known = ["None", "Webhook"]
        found = not_supported(f"{at}.strategy", strategy, known) if strategy else None
        errors.append(found or required(f"{at}.strategy"))
    elif strategy == "Webhook":
        if webhook is None or webhook.get("clientConfig") is None:
            text = "required when strategy is set to Webhook"
            errors.append(required(f"{at}.webhookClientConfig", text))
        else:
            path = f"{at}.webhookClientConfig"
            validate_client(webhook["clientConfig"], path, errors)
    elif webhook is not None:
        text = "should not be set when strategy is not set to Webhook"
        errors.append(invalid(f"{at}.webhook", webhook, text))


def _established(definition: Object) -> bool:
    conditions = look(definition, "status", "conditions") or ()
    return any(
        one.get("type") == "Established" and one.get("status") == "True" for one in conditions
    )


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    spec, was = new["spec"], old["spec"]
    fixed = ["group"]
    if _established(old):
        fixed.append("scope")
        kind, before = look(spec, "names", "kind"), look(was, "names", "kind")
        validate_immutable(kind, before, "spec.names.kind", errors)
    for field in fixed:
        validate_immutable(spec.get(field), was.get(field), f"spec.{field}", errors)
    plural, before = look(spec, "names", "plural"), look(was, "names", "plural")
    validate_immutable(plural, before, "spec.names.plural", errors)
    names = [version.get("name") for version in spec.get("versions") or ()]
    for number, version in enumerate(look(new, "status", "storedVersions") or ()):
        if version not in names:
            at = f"status.storedVersions[{number}]"
            text = f"missing from spec.versions; {version} was previously a storage version, "
            text += "and must remain in spec.versions until a storage migration ensures no data "
            text += (
                f"remains persisted in {version} and removes {version} from status.storedVersions"
            )
            errors.append(invalid(at, version, text))
    return errors


CUSTOM_RESOURCE_DEFINITION = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(NAME, CREATED),
)
