# SPDX-License-Identifier: Apache-2.0
"""Decides what a namespace's kube-root-ca.crt ConfigMap, or the ClusterTrustBundle, should be. Pure."""

import hashlib

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object

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
