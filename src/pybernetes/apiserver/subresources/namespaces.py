# SPDX-License-Identifier: Apache-2.0
"""namespaces/finalize, and what the deletion of a namespace means for itself."""

from pybernetes.apimachinery.types import Object


def finalize(new: Object, old: Object) -> Object:
    """Only spec.finalizers changes."""
    spec = {k: v for k, v in (old.get("spec") or {}).items() if k != "finalizers"}
    finalizers = (new.get("spec") or {}).get("finalizers")
    if finalizers:
        spec["finalizers"] = finalizers
    return {**old, "metadata": new["metadata"], "spec": spec}


def is_held(namespace: Object) -> bool:
    return bool((namespace.get("spec") or {}).get("finalizers"))


def begin_deletion(namespace: Object) -> None:
    namespace.setdefault("status", {})["phase"] = "Terminating"
    namespace["metadata"].pop("deletionGracePeriodSeconds", None)
