# SPDX-License-Identifier: Apache-2.0
"""Namespace: a fresh one is Active and kept by the finalizer `kubernetes` until it is empty."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


def label(namespace: Object) -> None:
    name = meta.name(namespace)
    if name:
        metadata = namespace["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: name}


def prepare_create(namespace: Object) -> None:
    label(namespace)  # again: the name may have been generated since
    namespace["status"] = {"phase": "Active"}
    spec = namespace.setdefault("spec", {})
    finalizers = spec.get("finalizers") or []
    if FINALIZER not in finalizers:
        spec["finalizers"] = [*finalizers, FINALIZER]


def prepare_update(new: Object, old: Object) -> None:
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


def held(namespace: Object) -> bool:
    return bool(look(namespace, "spec", "finalizers"))


def begin_deletion(namespace: Object) -> None:
    namespace.setdefault("status", {})["phase"] = "Terminating"
    namespace["metadata"].pop("deletionGracePeriodSeconds", None)


def validate_phase(namespace: Part, _: Object) -> None:
    phase, deleting = look(namespace.obj, "status", "phase") or "", meta.is_deleting(namespace.obj)
    wanted = "Terminating" if deleting else "Active"
    if phase != wanted:
        text = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' * deleting}empty"
        namespace.invalid("status.Phase", phase, text)
