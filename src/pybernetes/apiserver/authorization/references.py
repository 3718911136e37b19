# SPDX-License-Identifier: Apache-2.0
"""What a pod mentions by name: the objects that its node has to read."""

from collections.abc import Iterator
from typing import NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object


class Mentions(NamedTuple):
    """Names of objects in the pod's namespace."""

    secrets: frozenset[str]
    config_maps: frozenset[str]
    claims: frozenset[str]
    resource_claims: frozenset[str]
    service_accounts: frozenset[str]


_VOLUME_SECRETS = (  # fields of a PersistentVolume's source that refer to a secret
    "secretRef",
    "controllerPublishSecretRef",
    "nodeStageSecretRef",
    "nodePublishSecretRef",
    "controllerExpandSecretRef",
    "nodeExpandSecretRef",
)
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_SECRET_VOLUMES = (  # volume source -> field that holds the secret's name
    ("secret", "secretName"),
    ("azureFile", "secretName"),
)


def mentions(pod: Object) -> Mentions:
    spec = pod.get("spec") or {}
    secrets = [ref.get("name") for ref in spec.get("imagePullSecrets") or ()]
    config_maps: list[str | None] = []
    claims: list[str | None] = []
    for kind, name in _of_containers(spec):
        (secrets if kind == "secret" else config_maps).append(name)
    for volume in spec.get("volumes") or ():
        secrets += _secrets_of_volume(volume)
        config_maps += _config_maps_of_volume(volume)
        if volume.get("persistentVolumeClaim"):
            claims.append(volume["persistentVolumeClaim"].get("claimName"))
        if "ephemeral" in volume:
            claims.append(f"{meta.name(pod)}-{volume['name']}")
    return Mentions(
        _names(secrets),
        _names(config_maps),
        _names(claims),
        _names(_resource_claims(pod)),
        _names([spec.get("serviceAccountName")]),
    )


def _names(found: list[str | None]) -> frozenset[str]:
    return frozenset(name for name in found if name)


def _of_containers(spec: Object) -> Iterator[tuple[str, str | None]]:
    for containers in _CONTAINERS:
        for container in spec.get(containers) or ():
            for source in container.get("envFrom") or ():
                yield "secret", (source.get("secretRef") or {}).get("name")
                yield "configmap", (source.get("configMapRef") or {}).get("name")
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or {}
                yield "secret", (source.get("secretKeyRef") or {}).get("name")
                yield "configmap", (source.get("configMapKeyRef") or {}).get("name")


def _secrets_of_volume(volume: Object) -> list[str | None]:
    found = [(volume.get(source) or {}).get(key) for source, key in _SECRET_VOLUMES]
    found += [part.get("name") for part in _projected(volume, "secret")]
    for source in volume.values():
        if isinstance(source, dict):
            for key in ("secretRef", "nodePublishSecretRef"):
                found.append((source.get(key) or {}).get("name"))
    return found


def _config_maps_of_volume(volume: Object) -> list[str | None]:
    own = (volume.get("configMap") or {}).get("name")
    return [own, *(part.get("name") for part in _projected(volume, "configMap"))]


def _projected(volume: Object, kind: str) -> list[Object]:
    sources = (volume.get("projected") or {}).get("sources") or ()
    return [source[kind] for source in sources if source.get(kind)]


def _resource_claims(pod: Object) -> list[str | None]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    direct = [claim.get("resourceClaimName") for claim in spec.get("resourceClaims") or ()]
    made = [item.get("resourceClaimName") for item in status.get("resourceClaimStatuses") or ()]
    return direct + made


def volume_secrets(volume: Object) -> list[tuple[str, str]]:
    """(namespace, name) of the secrets that a PersistentVolume's source refers to."""
    spec = volume.get("spec") or {}
    claimed = (spec.get("claimRef") or {}).get("namespace") or ""
    sources = [source for source in spec.values() if isinstance(source, dict)]
    found = [source[key] for source in sources for key in _VOLUME_SECRETS if source.get(key)]
    return [(ref.get("namespace") or claimed, ref.get("name") or "") for ref in found]
