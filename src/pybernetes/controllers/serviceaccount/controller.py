# SPDX-License-Identifier: Apache-2.0
"""Makes the default ServiceAccount of every namespace."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.batches import put
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import NAMESPACES, SERVICE_ACCOUNTS
from pybernetes.controllers.serviceaccount.plan import DEFAULT, missing_account


class ServiceAccountController:
    """Keys are namespaces."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._namespaces = context.informers.get(NAMESPACES)
        self._accounts = context.informers.get(SERVICE_ACCOUNTS)
        queue = context.queue

        def namespace_changed(_: Object | None, new: Object | None) -> None:
            if new is not None:
                queue.add(meta.name(new))

        def account_changed(old: Object | None, new: Object | None) -> None:
            if new is None and old is not None and meta.name(old) == DEFAULT:
                queue.add(meta.namespace(old))

        self._namespaces.on_change(namespace_changed)
        self._accounts.on_change(account_changed)

    async def sync(self, key: str) -> None:
        namespace, account = self._namespaces.find("", key), self._accounts.find(key, DEFAULT)
        missing = missing_account(namespace, account)
        if missing is not None:
            await put(self._client, SERVICE_ACCOUNTS, missing, None)
