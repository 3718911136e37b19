# SPDX-License-Identifier: Apache-2.0
"""serviceaccount-controller: every active namespace has a ServiceAccount named default."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.batches import put
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.resources import NAMESPACES, SERVICE_ACCOUNTS

DEFAULT = "default"


def missing_account(namespace: Object, account: Object | None) -> Object | None:
    """The ServiceAccount to create, if any."""
    if account is not None:
        return None
    if (namespace.get("status") or {}).get("phase") == "Terminating" or meta.is_deleting(namespace):
        return None
    metadata = meta.new_metadata(DEFAULT, meta.name(namespace))
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


class ServiceAccountController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(NAMESPACES))
        self._follow(self._objects)
        self._accounts = context.informers.get(SERVICE_ACCOUNTS)
        self._follow(self._accounts, lambda one: [meta.namespace(one)])

    async def _sync(self, key: str, namespace: Object) -> None:
        missing = missing_account(namespace, self._accounts.find(key, DEFAULT))
        if missing is not None:
            await put(self._client, SERVICE_ACCOUNTS, missing, None)
