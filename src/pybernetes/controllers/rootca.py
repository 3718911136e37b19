# SPDX-License-Identifier: Apache-2.0
"""root-ca-certificate-publisher-controller: kube-root-ca.crt in every active namespace."""

import hashlib

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.batches import delete_if_there, put
from pybernetes.controllers.runtime.controller import Context, Controller, Keyed
from pybernetes.controllers.runtime.resources import CLUSTER_TRUST_BUNDLES, CONFIG_MAPS, NAMESPACES

NAME = "kube-root-ca.crt"
SIGNER = "kubernetes.io/kube-apiserver-serving"
DESCRIPTION = "kubernetes.io/description"
_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


def plan_config_map(namespace: Object, current: Object | None, root_ca: str) -> Object | None:
    """The ConfigMap to create (if `current` is None) or to update; None if all is well."""
    phase = (namespace.get("status") or {}).get("phase")
    if phase == "Terminating" or meta.is_deleting(namespace):
        return None
    data = {"ca.crt": root_ca}
    if current is None:
        metadata = meta.new_metadata(NAME, meta.name(namespace), annotations={DESCRIPTION: _TEXT})
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if current.get("data") == data and meta.annotations(current).get(DESCRIPTION):
        return None
    annotations = {**meta.annotations(current), DESCRIPTION: _TEXT}
    return {
        **current,
        "metadata": {**current["metadata"], "annotations": annotations},
        "data": data,
    }


def plan_bundle(root_ca: str) -> Object:
    """The ClusterTrustBundle of the API server's signer; its name follows its content."""
    digest = hashlib.sha256(root_ca.encode()).hexdigest()[:24]
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "ClusterTrustBundle",
        "metadata": {"name": f"{SIGNER.replace('/', ':')}:{digest}"},
        "spec": {"signerName": SIGNER, "trustBundle": root_ca},
    }


class RootCaPublisher(Keyed):
    """Keys are namespaces. Does nothing where no CA is configured."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(NAMESPACES))
        self._root_ca = context.config.root_ca
        self._follow(self._objects)
        self._maps = context.informers.get(CONFIG_MAPS, field_selector=f"metadata.name={NAME}")
        self._follow(self._maps, lambda one: [meta.namespace(one)])

    async def _sync(self, key: str, namespace: Object) -> None:
        if not self._root_ca:
            return
        current = self._maps.find(key, NAME)
        planned = plan_config_map(namespace, current, self._root_ca)
        if planned is not None:
            await put(self._client, CONFIG_MAPS, planned, current)


class TrustBundlePublisher(Controller):
    """Keeps one ClusterTrustBundle of the API server's signer. Its only key is that signer."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._root_ca = context.config.root_ca
        only = f"spec.signerName={SIGNER}"
        if self._root_ca:
            self._bundles = context.informers.get(CLUSTER_TRUST_BUNDLES, field_selector=only)
            self._follow(self._bundles, lambda _: [SIGNER])
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
