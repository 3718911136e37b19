# SPDX-License-Identifier: Apache-2.0
"""ObjectMeta and label selectors: rules of every kind, in upstream's paths and words."""

from pybernetes.apimachinery.field import Errors, too_long
from pybernetes.apimachinery.types import Object, split_api_version
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    generated,
    label_value,
    qualified_name,
)
from pybernetes.apis.validation.part import Part, Rule

ANNOTATIONS_LIMIT = 256 * 1024
_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp")
_NOT_EMPTY = "must not be empty"


def validate_meta(metadata: Object, namespaced: bool, name_rule: Rule | None = None) -> Errors:
    """The findings in an object's metadata on creation, after its name was generated."""
    rule, part = name_rule or dns1123_subdomain, Part(metadata, "metadata")
    part.rule("generateName", lambda prefix: rule(generated(prefix)))
    part.need("name", detail="name or generateName is required")
    part.rule("name", rule)
    if namespaced:
        part.need_rule("namespace", dns1123_label)
    elif metadata.get("namespace"):
        part.forbidden("namespace", "not allowed on this type")
    _common(part)
    finalizers = metadata.get("finalizers") or ()
    for finalizer in finalizers:
        part.wrong("finalizers", finalizer, qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        part.invalid("finalizers", finalizers, text)
    return part.errors


def validate_meta_update(new: Object, old: Object) -> Errors:
    """The findings in the metadata of an update; the resourceVersion must be there by now."""
    part = Part(new, "metadata")
    if old.get("deletionTimestamp"):
        known = old.get("finalizers") or ()
        extra = sorted({name for name in new.get("finalizers") or () if name not in known})
        if extra:
            shown = ", ".join(f'"{name}"' for name in extra)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{shown}}}"
            )
            part.forbidden("finalizers", text)
    if not new.get("resourceVersion"):
        part.invalid("resourceVersion", "", "must be specified for an update")
    generation = new.get("generation") or 0
    if generation < (old.get("generation") or 0):
        part.invalid("generation", generation, "must not be decremented")
    part.fixed(old, *_FIXED, "deletionGracePeriodSeconds")
    _common(part)
    return part.errors


def _common(part: Part) -> None:
    part.counts("generation")
    validate_labels(part, "labels")
    validate_annotations(part, "annotations")
    if part.get("ownerReferences"):
        _owners(part)
    for entry in part.each("managedFields"):
        _managed(entry)


def validate_labels(part: Part, field: str) -> None:
    for key, value in (part.get(field) or {}).items():
        for text in qualified_name(key):
            part.invalid(field, key, text)
        for text in label_value(value):
            part.invalid(field, value, text)


def validate_annotations(part: Part, field: str) -> None:
    size = 0
    for key, value in (part.get(field) or {}).items():
        size += len(key.encode()) + len(value.encode())
        part.wrong(field, key, qualified_name(key.lower()))
    if size > ANNOTATIONS_LIMIT:
        part.errors.append(too_long(part.path(field), ANNOTATIONS_LIMIT))


def _owners(part: Part) -> None:
    controller, references = "", part.get("ownerReferences")
    for owner in part.each("ownerReferences"):
        _owner(owner)
        if owner.get("controller"):
            current = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                text = (
                    "Only one reference can have Controller set to true. Found "
                    f'"true" in references for {controller} and {current}'
                )
                part.invalid("ownerReferences", references, text)
            controller = controller or current


def _owner(owner: Part) -> None:
    api_version = owner.get("apiVersion") or ""
    owner.need("apiVersion", "kind", "name", "uid", detail=_NOT_EMPTY)
    if api_version and (not split_api_version(api_version)[1] or api_version.count("/") > 1):
        owner.invalid("apiVersion", api_version, "must be <group>/<version> or <version>")
    if (api_version, owner.get("kind")) == ("v1", "Event"):
        owner.invalid("", owner.obj, "/v1, Kind=Event is disallowed from being an owner")


def _managed(entry: Part) -> None:
    entry.need("operation", detail=_NOT_EMPTY)
    if entry.get("operation"):
        entry.choice("operation", ["Apply", "Update"])
    if entry.get("fieldsType") not in {None, "", "FieldsV1"}:
        entry.invalid("fieldsType", entry.get("fieldsType"), "must be `FieldsV1`")
    entry.errors.extend(validate_field_manager(entry.get("manager") or "", entry.path("manager")))
    if len(entry.get("subresource") or "") > 256:
        entry.errors.append(too_long(entry.path("subresource"), 256))


def validate_field_manager(manager: str, at: str = "fieldManager") -> Errors:
    part = Part(None, at)
    if len(manager.encode()) > 128:
        part.errors.append(too_long(at, 128))
    for number, letter in enumerate("" if manager.isprintable() else manager):
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {number})"
            part.invalid("", manager, text)
    return part.errors


def validate_requirement(term: Part, *, numeric: bool = False, any_value: bool = False) -> None:
    """A requirement of a label selector; of a node selector where `numeric` (Gt and Lt)."""
    operator, values = term.get("operator") or "", term.get("values") or ()
    if operator in {"In", "NotIn"}:
        term.need("values", detail="must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            term.forbidden("values", text)
    elif numeric and operator in {"Gt", "Lt"}:
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            term.required("values", text)
    else:
        term.invalid("operator", operator, "not a valid selector operator")
    term.any_rule("key", qualified_name)
    if not any_value:
        term.list_rule("values", label_value)


def is_empty_selector(selector: Object | None) -> bool:
    """True for a selector without any requirement, which selects everything."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))
