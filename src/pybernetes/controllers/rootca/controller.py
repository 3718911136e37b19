# SPDX-License-Identifier: Apache-2.0
"""Publishes the cluster's CA certificate: in every namespace, and as a ClusterTrustBundle."""

from pybernetes.apimachinery import meta
from pybernetes.controllers.rootca.plan import NAME, SIGNER, plan_bundle, plan_config_map
from pybernetes.controllers.runtime.batches import delete_if_there, put
from pybernetes.controllers.runtime.controller import Context, queue_live
from pybernetes.controllers.runtime.resources import CLUSTER_TRUST_BUNDLES, CONFIG_MAPS, NAMESPACES


class RootCaPublisher:
    """Keys are namespaces. Does nothing where no CA is configured."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._root_ca = context.config.root_ca
        self._namespaces = context.informers.get(NAMESPACES)
        self._maps = context.informers.get(CONFIG_MAPS, field_selector=f"metadata.name={NAME}")
        queue_live(context.queue.add, self._namespaces)
        self._maps.on_change(lambda old, new: context.queue.add(meta.namespace(new or old or {})))

    async def sync(self, key: str) -> None:
        namespace, current = self._namespaces.find("", key), self._maps.find(key, NAME)
        if namespace is None or not self._root_ca:
            return
        planned = plan_config_map(namespace, current, self._root_ca)
        if planned is not None:
            await put(self._client, CONFIG_MAPS, planned, current)


class TrustBundlePublisher:
    """Keeps one ClusterTrustBundle of the API server's signer. Its only key is that signer."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._root_ca = context.config.root_ca
        only = f"spec.signerName={SIGNER}"
        if self._root_ca:
            self._bundles = context.informers.get(CLUSTER_TRUST_BUNDLES, field_selector=only)
            self._bundles.on_change(lambda _old, _new: context.queue.add(SIGNER))
            context.queue.add(SIGNER)

    async def sync(self, key: str) -> None:
        wanted = plan_bundle(self._root_ca)
        current = self._bundles.find("", meta.name(wanted))
        if current is None:
            await self._client.create(CLUSTER_TRUST_BUNDLES, wanted)
        elif current["spec"]["trustBundle"] != self._root_ca:
            await self._client.update(CLUSTER_TRUST_BUNDLES, {**current, "spec": wanted["spec"]})
        for bundle in self._bundles.items():
            if meta.name(bundle) != meta.name(wanted):
                await delete_if_there(self._client, CLUSTER_TRUST_BUNDLES, bundle)
