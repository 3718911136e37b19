# SPDX-License-Identifier: Apache-2.0
"""The files that configMap, secret, downwardAPI, serviceAccountToken and projected sources mean."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.kubelet import naming
from pybernetes.kubelet.atomicwriter import File, write
from pybernetes.kubelet.containers import fieldpath
from pybernetes.kubelet.volumeapi import MountError, VolumeContext, VolumeType

MODE = 0o644
Payload = Callable[[VolumeContext, Object, int], Awaitable[dict[str, File]]]
TOKEN_SECONDS = 3600


async def config_map(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a ConfigMapVolumeSource or ConfigMapProjection."""
    found = await _get(context, naming.CONFIG_MAPS, source.get("name", ""), source)
    values = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    values |= {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
    return _select(values, source, mode, "configmap references non-existent config key: {}")


async def secret(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a SecretVolumeSource (secretName) or SecretProjection (name)."""
    name = source.get("secretName") or source.get("name", "")
    found = await _get(context, naming.SECRETS, name, source)
    values = {k: base64.b64decode(v or "") for k, v in (found.get("data") or {}).items()}
    return _select(values, source, mode, "references non-existent secret key: {}")


async def _get(context: VolumeContext, gvr: GVR, name: str, source: Object) -> Object:
    namespace = context.pod["metadata"]["namespace"]
    try:
        return await context.lookup(gvr, namespace, name)
    except ApiError as error:
        if error.code == 404 and source.get("optional"):
            return {}
        raise MountError(error.message) from error
    except ConnectionError as error:
        raise MountError(str(error)) from error


def _select(
    values: Mapping[str, bytes], source: Object, mode: int, missing: str
) -> dict[str, File]:
    items = source.get("items")
    if not items:
        return {key: File(values[key], mode) for key in sorted(values)}
    files: dict[str, File] = {}
    for item in items:
        if item["key"] not in values:
            if source.get("optional"):
                continue
            raise MountError(missing.format(item["key"]))
        files[_safe(item["path"])] = File(values[item["key"]], _mode(item, mode))
    return files


def _mode(item: Object, default: int) -> int:
    return default if item.get("mode") is None else int(item["mode"])


def _safe(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise MountError(f"invalid path: must be relative and not contain '..': {path}")
    return path


async def downward_api(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a DownwardAPIVolumeSource or DownwardAPIProjection."""
    files: dict[str, File] = {}
    for item in source.get("items", ()):
        try:
            text = _downward(context, item)
        except fieldpath.FieldError as error:
            raise MountError(str(error)) from error
        files[_safe(item["path"])] = File(text.encode(), _mode(item, mode))
    return files


def _downward(context: VolumeContext, item: Object) -> str:
    if "fieldRef" in item:
        path = item["fieldRef"]["fieldPath"]
        return fieldpath.field_value(context.pod, path, context.node_ips, context.pod_ips)
    selector = item["resourceFieldRef"]
    container = naming.find_container(context.pod, selector.get("containerName", ""))
    if container is None:
        raise MountError(f"container {selector.get('containerName', '')!r} not found")
    return fieldpath.resource_value(container, selector, context.allocatable)


async def token(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a ServiceAccountTokenProjection."""
    try:
        text, _ = await context.token(
            context.pod,
            source.get("audience", ""),
            source.get("expirationSeconds") or TOKEN_SECONDS,
        )
    except (ApiError, ConnectionError) as error:
        raise MountError(f"failed to fetch token: {error}") from error
    owner = _single_user(context.pod)
    private = context.fs_group is None and owner is not None
    return {
        _safe(source["path"]): File(
            text.encode(), 0o600 if private else mode, owner if private else None
        )
    }


def _single_user(pod: Object) -> int | None:
    """The one user id that all containers run as, if there is one (upstream's FsUserFrom)."""
    default = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    users = {
        (item.get("securityContext") or {}).get("runAsUser", default)
        for item in naming.containers_of(pod)
    }
    return users.pop() if len(users) == 1 else None


async def projected(context: VolumeContext, source: Object, mode: int) -> dict[str, File]:
    """Of a ProjectedVolumeSource: all sources in one folder, later ones win."""
    known = {
        "configMap": config_map,
        "secret": secret,
        "downwardAPI": downward_api,
        "serviceAccountToken": token,
    }
    files: dict[str, File] = {}
    for projection in source.get("sources") or ():
        for kind, value in projection.items():
            if kind not in known:
                raise MountError(f"unsupported projected volume source: {kind}")
            files |= await known[kind](context, value, mode)
    return files


def live(payload: Payload) -> VolumeType:
    """A volume type of files that are kept current while the pod runs, all at once."""

    async def prepare(context: VolumeContext, source: Object) -> Path:
        mode = MODE if source.get("defaultMode") is None else int(source["defaultMode"])
        files = await payload(context, source, mode)
        stamp = context.env.clock.now().strftime("%Y_%m_%d_%H_%M_%S")
        await context.env.offload.run(write, context.folder, files, stamp, context.fs_group)
        return context.folder

    return VolumeType(prepare, live=True, owned=False)
