# SPDX-License-Identifier: Apache-2.0
"""Namespace: a fresh one is Active and kept by the finalizer `kubernetes` until it is empty."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, text
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import dns1123_label, qualified_name

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
    errors: Errors = []
    for number, finalizer in enumerate(look(new, "spec", "finalizers") or ()):
        at = f"spec.finalizers[{number}]"
        errors += [invalid(at, finalizer, text) for text in qualified_name(finalizer)]
        if "/" not in finalizer and finalizer not in {FINALIZER, "orphan", "foregroundDeletion"}:
            errors.append(invalid(at, finalizer, _NOT_QUALIFIED))
    return errors


_NOT_QUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"


def prepare_finalize(new: Object, old: Object) -> None:
    """The finalize subresource leaves the status alone."""
    new["status"] = old.get("status") or {}


def _held(namespace: Object) -> bool:
    return bool(look(namespace, "spec", "finalizers"))


def _begin_deletion(namespace: Object) -> None:
    namespace.setdefault("status", {})["phase"] = "Terminating"
    namespace["metadata"].pop("deletionGracePeriodSeconds", None)


def _validate_status_update(new: Object, _: Object) -> Errors:
    phase = look(new, "status", "phase") or ""
    if meta.is_deleting(new):
        if phase != "Terminating":
            return [invalid("status.Phase", phase, _DELETING)]
    elif phase != "Active":
        return [invalid("status.Phase", phase, _NOT_DELETING)]
    return []


_DELETING = "may only be 'Terminating' if `deletionTimestamp` is not empty"
_NOT_DELETING = "may only be 'Active' if `deletionTimestamp` is empty"


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
