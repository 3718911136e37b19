# SPDX-License-Identifier: Apache-2.0
"""What a pod mentions: the objects that its node has to read, and that a mirror pod may not need."""

from collections.abc import Iterator

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object

_VOLUME_SECRETS = (  # fields of a PersistentVolume's source that refer to a secret
    "secretRef",
    "controllerPublishSecretRef",
    "nodeStageSecretRef",
    "nodePublishSecretRef",
    "controllerExpandSecretRef",
    "nodeExpandSecretRef",
)
_ENVIRONMENT = (
    ("secretKeyRef", "secrets"),
    ("secretRef", "secrets"),
    ("configMapKeyRef", "configmaps"),
    ("configMapRef", "configmaps"),
)
_SOURCES = (  # (volume source, what it refers to, the field with the name)
    ("secret", "secrets", "secretName"),
    ("azureFile", "secrets", "secretName"),
    ("configMap", "configmaps", "name"),
    ("persistentVolumeClaim", "persistentvolumeclaims", "claimName"),
    ("csi", "csidrivers", "driver"),
)
_PROJECTED = (
    ("secret", "secrets"),
    ("configMap", "configmaps"),
    ("serviceAccountToken", "serviceaccounts"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
)


def references(pod: Object) -> Iterator[tuple[str, str]]:
    """(resource, name) of all that a pod mentions, some more than once; "" where no name is said."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if spec.get("serviceAccountName"):
        yield "serviceaccounts", spec["serviceAccountName"]
    yield from (("secrets", _name(pull)) for pull in spec.get("imagePullSecrets") or ())
    for containers in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(containers) or ():
            sources = [one.get("valueFrom") or {} for one in container.get("env") or ()]
            for source in [*sources, *(container.get("envFrom") or ())]:
                yield from ((what, _name(source[k])) for k, what in _ENVIRONMENT if source.get(k))
    for claim in [
        *(spec.get("resourceClaims") or ()),
        *(status.get("resourceClaimStatuses") or ()),
    ]:
        yield "resourceclaims", claim.get("resourceClaimName") or ""
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", f"{meta.name(pod)}-{volume['name']}"


def _of_volume(volume: Object) -> Iterator[tuple[str, str]]:
    for key, resource, word in _SOURCES:
        if volume.get(key) is not None:
            yield resource, volume[key].get(word) or ""
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from ((what, _name(source[key])) for key, what in _PROJECTED if source.get(key))
    for source in volume.values():
        for key in ("secretRef", "nodePublishSecretRef") if isinstance(source, dict) else ():
            if source.get(key):
                yield "secrets", _name(source[key])


def _name(ref: Object) -> str:
    return ref.get("name") or ""


def volume_secrets(volume: Object) -> list[tuple[str, str]]:
    """(namespace, name) of the secrets that a PersistentVolume's source refers to."""
    spec = volume.get("spec") or {}
    claimed = (spec.get("claimRef") or {}).get("namespace") or ""
    sources = [source for source in spec.values() if isinstance(source, dict)]
    found = [source[key] for source in sources for key in _VOLUME_SECRETS if source.get(key)]
    return [(ref.get("namespace") or claimed, ref.get("name") or "") for ref in found]
