# SPDX-License-Identifier: Apache-2.0
"""Which API resources a pod's spec mentions objects of (mirror pods may mention none)."""

from collections.abc import Iterator

from pybernetes.apimachinery.types import Object

_DIRECT = (
    ("serviceAccountName", "serviceaccounts"),
    ("imagePullSecrets", "secrets"),
    ("resourceClaims", "resourceclaims"),
)
_REFERENCES = (  # (volume source, what it refers to)
    ("secret", "secrets"),
    ("configMap", "configmaps"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims"),
    ("csi", "csidrivers"),
)
_PROJECTED = (
    ("secret", "secrets"),
    ("configMap", "configmaps"),
    ("serviceAccountToken", "serviceaccounts"),
    ("clusterTrustBundle", "clustertrustbundles"),
)


def api_references(spec: Object) -> Iterator[str]:
    """The resources that a pod mentions objects of; one may come more than once."""
    for key, resource in _DIRECT:
        if spec.get(key):
            yield resource
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from (resource for key, resource in _REFERENCES if volume.get(key) is not None)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from (resource for key, resource in _PROJECTED if source.get(key))


def _of_container(container: Object) -> Iterator[str]:
    sources = [variable.get("valueFrom") or {} for variable in container.get("env") or ()]
    sources += container.get("envFrom") or []
    for source in sources:
        if source.get("secretKeyRef") or source.get("secretRef"):
            yield "secrets"
        if source.get("configMapKeyRef") or source.get("configMapRef"):
            yield "configmaps"
