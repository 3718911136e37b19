# SPDX-License-Identifier: Apache-2.0
"""Namespace: a fresh one is Active and kept by the finalizer `kubernetes` until it is empty."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, text
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import dns1123_label, qualified_name
from pybernetes.apis.validation.part import Part

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


def _default(namespace: Object) -> None:
    name = meta.name(namespace)
    if name:
        metadata = namespace["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: name}


def _prepare_create(namespace: Object) -> None:
    _default(namespace)  # again: the name may have been generated since
    namespace["status"] = {"phase": "Active"}
    spec = namespace.setdefault("spec", {})
    finalizers = spec.get("finalizers") or []
    if FINALIZER not in finalizers:
        spec["finalizers"] = [*finalizers, FINALIZER]


def _prepare_update(new: Object, old: Object) -> None:
    """Finalizers change through the finalize subresource alone."""
    spec = {key: value for key, value in (new.get("spec") or {}).items() if key != "finalizers"}
    kept = look(old, "spec", "finalizers")
    new["spec"] = {**spec, "finalizers": kept} if kept else spec


def validate_finalize(new: Object, _: Object) -> Errors:
    """The findings of PUT namespaces/NAME/finalize."""
    part = Part(new).child("spec")
    part.list_rule("finalizers", _finalizer)
    return part.errors


def _finalizer(name: str) -> list[str]:
    known = "/" in name or name in {FINALIZER, "orphan", "foregroundDeletion"}
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return qualified_name(name) + ([] if known else [text])


def prepare_finalize(new: Object, old: Object) -> None:
    """The finalize subresource leaves the status alone."""
    new["status"] = old.get("status") or {}


def _held(namespace: Object) -> bool:
    return bool(look(namespace, "spec", "finalizers"))


def _begin_deletion(namespace: Object) -> None:
    namespace.setdefault("status", {})["phase"] = "Terminating"
    namespace["metadata"].pop("deletionGracePeriodSeconds", None)


def _validate_status_update(new: Object, _: Object) -> Errors:
    phase, deleting = look(new, "status", "phase") or "", meta.is_deleting(new)
    wanted = "Terminating" if deleting else "Active"
    if phase == wanted:
        return []
    text = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' * deleting}empty"
    return [invalid("status.Phase", phase, text)]


def _fields(namespace: Object) -> dict[str, str]:
    phase = look(namespace, "status", "phase") or ""
    return {"status.phase": phase, "name": meta.name(namespace)}


NAMESPACE = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate_status_update=_validate_status_update,
    validate_name=dns1123_label,
    held=_held,
    begin_deletion=_begin_deletion,
    fields=_fields,
    field_names=("status.phase", "name"),
    columns=(NAME, Column("Status", text("status", "phase")), AGE),
)
