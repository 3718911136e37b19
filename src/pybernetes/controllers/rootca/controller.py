# SPDX-License-Identifier: Apache-2.0
"""Publishes the cluster's CA certificate in every namespace."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.rootca.plan import NAME, plan_config_map
from pybernetes.controllers.runtime.batches import is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CONFIG_MAPS, NAMESPACES


class RootCaPublisher:
    """Keys are namespaces. Does nothing where no CA is configured."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._root_ca = context.config.root_ca
        self._namespaces = context.informers.get(NAMESPACES)
        self._maps = context.informers.get(CONFIG_MAPS, field_selector=f"metadata.name={NAME}")
        queue = context.queue

        def namespace_changed(_: Object | None, new: Object | None) -> None:
            if new is not None:
                queue.add(meta.name(new))

        self._namespaces.on_change(namespace_changed)
        self._maps.on_change(lambda old, new: queue.add(meta.namespace(new or old or {})))

    async def sync(self, key: str) -> None:
        namespace, current = self._namespaces.find("", key), self._maps.find(key, NAME)
        if namespace is None or not self._root_ca:
            return
        planned = plan_config_map(namespace, current, self._root_ca)
        if planned is None:
            return
        try:
            if current is None:
                await self._client.create(CONFIG_MAPS, planned, key)
            else:
                await self._client.update(CONFIG_MAPS, planned, key)
        except ApiError as error:
            if error.reason != "AlreadyExists" and not is_terminating_namespace(error):
                raise
