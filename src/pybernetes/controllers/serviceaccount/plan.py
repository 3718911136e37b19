# SPDX-License-Identifier: Apache-2.0
"""Decides which ServiceAccount a namespace lacks. Pure."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object

DEFAULT = "default"


def missing_account(namespace: Object | None, account: Object | None) -> Object | None:
    """The ServiceAccount to create, if any."""
    if namespace is None or account is not None:
        return None
    if (namespace.get("status") or {}).get("phase") == "Terminating" or meta.is_deleting(namespace):
        return None
    metadata = meta.new_metadata(DEFAULT, meta.name(namespace))
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
