# SPDX-License-Identifier: Apache-2.0
"""ObjectMeta and label selectors: rules of every kind, in upstream's paths and words."""

from collections.abc import Callable
from typing import Any

from pybernetes.apimachinery.field import (
    Errors,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from pybernetes.apimachinery.types import Object, split_api_version
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    generated,
    label_value,
    qualified_name,
)

IMMUTABLE = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"
ANNOTATIONS_LIMIT = 256 * 1024
NameRule = Callable[[str], list[str]]


def validate_meta(
    metadata: Object,
    namespaced: bool,
    name_rule: NameRule | None = None,
    at: str = "metadata",
) -> Errors:
    """The findings in an object's metadata on creation, after its name was generated."""
    rule = name_rule or dns1123_subdomain
    errors: Errors = []
    prefix = metadata.get("generateName")
    if prefix:
        for text in rule(generated(prefix)):
            errors.append(invalid(f"{at}.generateName", prefix, text))
    name = metadata.get("name")
    if not name:
        errors.append(required(f"{at}.name", "name or generateName is required"))
    else:
        for text in rule(name):
            errors.append(invalid(f"{at}.name", name, text))
    _namespace(metadata.get("namespace"), namespaced, at, errors)
    _common(metadata, at, errors)
    _finalizers(metadata.get("finalizers") or (), f"{at}.finalizers", errors)
    return errors


def _namespace(namespace: str | None, namespaced: bool, at: str, errors: Errors) -> None:
    if not namespaced:
        if namespace:
            errors.append(forbidden(f"{at}.namespace", "not allowed on this type"))
    elif not namespace:
        errors.append(required(f"{at}.namespace"))
    else:
        for text in dns1123_label(namespace):
            errors.append(invalid(f"{at}.namespace", namespace, text))


def _common(metadata: Object, at: str, errors: Errors) -> None:
    if (metadata.get("generation") or 0) < 0:
        errors.append(invalid(f"{at}.generation", metadata["generation"], NEGATIVE))
    if metadata.get("labels"):
        validate_labels(metadata["labels"], f"{at}.labels", errors)
    if metadata.get("annotations"):
        validate_annotations(metadata["annotations"], f"{at}.annotations", errors)
    if metadata.get("ownerReferences"):
        _owners(metadata["ownerReferences"], f"{at}.ownerReferences", errors)
    for number, entry in enumerate(metadata.get("managedFields") or ()):
        _managed(entry, f"{at}.managedFields[{number}]", errors)


def validate_labels(labels: dict[str, str], at: str, errors: Errors) -> None:
    for key, value in labels.items():
        for text in qualified_name(key):
            errors.append(invalid(at, key, text))
        for text in label_value(value):
            errors.append(invalid(at, value, text))


def validate_annotations(annotations: dict[str, str], at: str, errors: Errors) -> None:
    size = 0
    for key, value in annotations.items():
        size += len(key.encode()) + len(value.encode())
        for text in qualified_name(key.lower()):
            errors.append(invalid(at, key, text))
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(at, ANNOTATIONS_LIMIT))


def _owners(references: list[Object], at: str, errors: Errors) -> None:
    controller = ""
    for number, reference in enumerate(references):
        _owner(reference, f"{at}[{number}]", errors)
        if reference.get("controller"):
            current = f"{reference.get('kind')}/{reference.get('name')}"
            if controller:
                text = (
                    "Only one reference can have Controller set to true. Found "
                    f'"true" in references for {controller} and {current}'
                )
                errors.append(invalid(at, references, text))
            controller = controller or current


def _owner(reference: Object, at: str, errors: Errors) -> None:
    api_version = reference.get("apiVersion") or ""
    version = split_api_version(api_version)[1]
    if not api_version:
        errors.append(required(f"{at}.apiVersion", "must not be empty"))
    elif not version or api_version.count("/") > 1:
        text = "must be <group>/<version> or <version>"
        errors.append(invalid(f"{at}.apiVersion", api_version, text))
    for field in ("kind", "name", "uid"):
        if not reference.get(field):
            errors.append(required(f"{at}.{field}", "must not be empty"))
    if (api_version, reference.get("kind")) == ("v1", "Event"):
        text = "/v1, Kind=Event is disallowed from being an owner"
        errors.append(invalid(at, reference, text))


def _finalizers(finalizers: list[str] | tuple[()], at: str, errors: Errors) -> None:
    for finalizer in finalizers:
        for text in qualified_name(finalizer):
            errors.append(invalid(at, finalizer, text))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(at, finalizers, text))


_OPERATIONS = ["Apply", "Update"]


def _managed(entry: Object, at: str, errors: Errors) -> None:
    operation = entry.get("operation")
    if not operation:
        errors.append(required(f"{at}.operation", "must not be empty"))
    elif operation not in _OPERATIONS:
        errors.append(not_supported(f"{at}.operation", operation, _OPERATIONS))
    if entry.get("fieldsType") not in {None, "", "FieldsV1"}:
        errors.append(invalid(f"{at}.fieldsType", entry["fieldsType"], "must be `FieldsV1`"))
    errors.extend(validate_field_manager(entry.get("manager") or "", f"{at}.manager"))
    if len(entry.get("subresource") or "") > 256:
        errors.append(too_long(f"{at}.subresource", 256))


def validate_field_manager(manager: str, at: str = "fieldManager") -> Errors:
    errors: Errors = []
    if len(manager.encode()) > 128:
        errors.append(too_long(at, 128))
    for number, letter in enumerate("" if manager.isprintable() else manager):
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {number})"
            errors.append(invalid(at, manager, text))
    return errors


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp")


def validate_meta_update(new: Object, old: Object, at: str = "metadata") -> Errors:
    """The findings in the metadata of an update; the resourceVersion must be there by now."""
    errors: Errors = []
    if old.get("deletionTimestamp"):
        known = old.get("finalizers") or ()
        extra = sorted({name for name in new.get("finalizers") or () if name not in known})
        if extra:
            shown = ", ".join(f'"{name}"' for name in extra)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{shown}}}"
            )
            errors.append(forbidden(f"{at}.finalizers", text))
    if not new.get("resourceVersion"):
        errors.append(invalid(f"{at}.resourceVersion", "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        text = "must not be decremented"
        errors.append(invalid(f"{at}.generation", new.get("generation") or 0, text))
    for field in (*_FIXED, "deletionGracePeriodSeconds"):
        validate_immutable(new.get(field), old.get(field), f"{at}.{field}", errors)
    _common(new, at, errors)
    return errors


_PLAIN_FLAGS = frozenset(  # booleans that are no pointers in Go: false and missing are the same
    {"hostIPC", "hostNetwork", "hostPID", "readOnly", "stdin", "stdinOnce", "tty"}
)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _pruned(item) for key, item in value.items()}
        return {
            key: item
            for key, item in kept.items()
            if item not in (None, "", [], {}) and (item is not False or key not in _PLAIN_FLAGS)
        }
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def same(new: Any, old: Any) -> bool:
    """Upstream's semantic equality: empty, null and missing are the same at every depth."""
    return bool(new == old) or (_pruned(new) or None) == (_pruned(old) or None)


def validate_immutable(new: Any, old: Any, at: str, errors: Errors) -> None:
    """Add a finding if a value changed."""
    if not same(new, old):
        errors.append(invalid(at, new, IMMUTABLE))


def validate_label_selector(selector: Object | None, at: str, errors: Errors) -> None:
    """The findings in a LabelSelector; none is fine."""
    if not selector:
        return
    if selector.get("matchLabels"):
        validate_labels(selector["matchLabels"], f"{at}.matchLabels", errors)
    for number, term in enumerate(selector.get("matchExpressions") or ()):
        _requirement(term, f"{at}.matchExpressions[{number}]", errors)


def _requirement(term: Object, at: str, errors: Errors) -> None:
    operator, values = term.get("operator") or "", term.get("values") or ()
    if operator in {"In", "NotIn"}:
        if not values:
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{at}.values", text))
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{at}.values", text))
    else:
        errors.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
    for text in qualified_name(term.get("key") or ""):
        errors.append(invalid(f"{at}.key", term.get("key") or "", text))
    for number, value in enumerate(values):
        for text in label_value(value):
            errors.append(invalid(f"{at}.values[{number}]", value, text))


def is_empty_selector(selector: Object | None) -> bool:
    """True for a selector without any requirement, which selects everything."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))
