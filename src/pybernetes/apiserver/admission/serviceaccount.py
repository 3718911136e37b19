# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount: gives a pod its account, the account's token volume and its pull secrets."""

import asyncio
from collections.abc import Callable, Iterator

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.admission.plugin import Plugin, forbidden, spec_of
from pybernetes.apiserver.authorization.references import references
from pybernetes.apiserver.reading import SERVICE_ACCOUNTS
from pybernetes.apiserver.types import AdmissionRequest

MIRROR = "kubernetes.io/config.mirror"
ENFORCE = "kubernetes.io/enforce-mountable-secrets"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
DEFAULT = "default"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_TRIES = 10  # for the default account, which a controller makes soon after its namespace


class ServiceAccount(Plugin):
    resources = frozenset(("pods",))
    subresources = frozenset(("", "ephemeralcontainers"))

    async def admit(self, request: AdmissionRequest) -> None:
        pod = request.obj
        if request.operation != "CREATE" or MIRROR in meta.annotations(pod):
            return
        spec = spec_of(pod)
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = spec["serviceAccount"] = DEFAULT
        account = await self._account(request, spec["serviceAccountName"])
        if _automounts(account, spec):
            mount_token(spec, self.env.random.suffix)
        pulls = account.get("imagePullSecrets")
        if pulls and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": pull.get("name", "")} for pull in pulls]

    async def validate(self, request: AdmissionRequest) -> None:
        pod, ephemeral = request.obj, bool(request.subresource)
        if not ephemeral and request.operation != "CREATE":
            return
        if MIRROR in meta.annotations(pod):
            _check_mirror(request, pod)
            return
        name = spec_of(pod).get("serviceAccountName")
        if not name:
            where = f"{request.namespace}/{meta.name(pod)}"
            raise forbidden(request, f"no service account specified for pod {where}")
        account = await self._account(request, name)
        if meta.annotations(account).get(ENFORCE) in _TRUE:
            problem = next(_unmountable(account, spec_of(pod), ephemeral=ephemeral), None)
            if problem:
                raise forbidden(request, problem)

    async def _account(self, request: AdmissionRequest, name: str) -> Object:
        namespace = request.namespace
        pause = 0.1 + self.env.random.uniform(0, 0.1) if name == DEFAULT else 0.0
        for attempt in range(_TRIES if name == DEFAULT else 1):
            if attempt:
                await asyncio.sleep(pause)
            account = self.reader.get(SERVICE_ACCOUNTS, namespace, name)
            if account is not None:
                return account
        raise forbidden(
            request,
            f"error looking up service account {namespace}/{name}: "
            f'serviceaccount "{name}" not found',
        )


def _automounts(account: Object, spec: Object) -> bool:
    for source in (spec, account):
        wanted = source.get("automountServiceAccountToken")
        if wanted is not None:
            return bool(wanted)
    return True


def mount_token(spec: Object, suffix: Callable[[], str]) -> None:
    """Add the token volume, and mount it in every container that has nothing at its path."""
    volumes = spec.get("volumes") or []
    names = [volume["name"] for volume in volumes]
    known = next((name for name in names if name.startswith(VOLUME_PREFIX)), None)
    name = known or f"{VOLUME_PREFIX}{suffix()}"
    mount = {"mountPath": MOUNT_PATH, "name": name, "readOnly": True}
    mounted = False
    for containers in ("initContainers", "containers"):
        for container in spec.get(containers) or ():
            mounts = container.get("volumeMounts") or []
            if all(item.get("mountPath") != MOUNT_PATH for item in mounts):
                container["volumeMounts"] = [*mounts, dict(mount)]
                mounted = True
    if mounted and known is None:
        spec["volumes"] = [*volumes, {"name": name, "projected": token_volume()}]


def token_volume() -> Object:
    """The projected volume: token, the cluster's CA, the pod's namespace."""
    return {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                            "path": "namespace",
                        }
                    ]
                }
            },
        ],
    }


def _check_mirror(request: AdmissionRequest, pod: Object) -> None:
    spec = spec_of(pod)
    if spec.get("serviceAccountName"):
        raise forbidden(request, "a mirror pod may not reference service accounts")
    mentioned = {resource for resource, _ in references(pod)}
    if "secrets" in mentioned:
        raise forbidden(request, "a mirror pod may not reference secrets")
    if "serviceaccounts" in mentioned:
        text = "a mirror pod may not use ServiceAccountToken volume projections"
        raise forbidden(request, text)


def _container_secrets(container: Object) -> Iterator[tuple[str, str]]:
    """(where, the secret's name)"""
    for variable in container.get("env") or ():
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref:
            yield f"envVar {variable.get('name')}", ref.get("name") or ""
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield "envFrom", source["secretRef"].get("name") or ""


def _unmountable(account: Object, spec: Object, *, ephemeral: bool) -> Iterator[str]:
    """What the pod takes although the account does not list it."""
    known = {item.get("name") for item in account.get("secrets") or ()}
    owner = f"is not allowed because service account {meta.name(account)} does not reference that"
    kinds = [("ephemeral container", "ephemeralContainers")]
    if not ephemeral:
        kinds = [("init container", "initContainers"), ("container", "containers")]
        for volume in spec.get("volumes") or ():
            name = (volume.get("secret") or {}).get("secretName")
            if volume.get("secret") and name not in known:
                yield f'volume with secret.secretName="{name}" {owner} secret'
    for label, kind in kinds:
        for container in spec.get(kind) or ():
            for where, name in _container_secrets(container):
                if name not in known:
                    yield (
                        f"{label} {container.get('name')} with {where} referencing "
                        f'secret.secretName="{name}" {owner} secret'
                    )
    pulls = {item.get("name") for item in account.get("imagePullSecrets") or ()}
    for index, pull in enumerate(() if ephemeral else spec.get("imagePullSecrets") or ()):
        if pull.get("name") not in pulls:
            yield f'imagePullSecrets[{index}].name="{pull.get("name")}" {owner} imagePullSecret'
