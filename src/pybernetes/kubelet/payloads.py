# SPDX-License-Identifier: Apache-2.0
"""The files that configMap, secret, downwardAPI and projected sources mean."""

import base64
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pybernetes.apimachinery import selectors
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.kubelet import naming
from pybernetes.kubelet.atomicwriter import File, write
from pybernetes.kubelet.containers import fieldpath
from pybernetes.kubelet.objects import look_up
from pybernetes.kubelet.record import MountError
from pybernetes.kubelet.volumeapi import VolumeContext, VolumeType
from pybernetes.linux import mounts

MODE = 0o644
Payload = Callable[[VolumeContext, Object, int], Awaitable[dict[str, File]]]
TOKEN_SECONDS = 3600


async def config_map(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a ConfigMapVolumeSource or ConfigMapProjection."""
    found = await _get(context, (naming.CONFIG_MAPS, source.get("name", "")), source)
    values = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    values |= {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
    return _select(values, source, mode, "configmap references non-existent config key: {}")


async def secret(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a SecretVolumeSource (secretName) or SecretProjection (name)."""
    name = source.get("secretName") or source.get("name", "")
    found = await _get(context, (naming.SECRETS, name), source)
    values = {k: base64.b64decode(v or "") for k, v in (found.get("data") or {}).items()}
    return _select(values, source, mode, "references non-existent secret key: {}")


async def _get(context: VolumeContext, what: tuple[GVR, str], source: Object) -> Object:
    optional = bool(source.get("optional"))
    return await look_up(context.tools.objects.cached, context.pod, what, (MountError, optional))


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
    ips, allocatable = (context.tools.config.node_ips, context.pod_ips), context.tools.allocatable()
    for item in source.get("items", ()):
        try:
            text = fieldpath.value(context.pod, item, ips, allocatable)
        except fieldpath.FieldError as error:
            raise MountError(str(error)) from error
        files[_safe(item["path"])] = File(text.encode(), _mode(item, mode))
    return files


async def token(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a ServiceAccountTokenProjection."""
    try:
        text = await context.tools.objects.token(
            context.pod,
            source.get("audience", ""),
            source.get("expirationSeconds") or TOKEN_SECONDS,
        )
    except (ApiError, ConnectionError) as error:
        raise MountError(f"failed to fetch token: {error}") from error
    return {_safe(source["path"]): _private(context, text.encode(), mode)}


def _private(context: VolumeContext, data: bytes, mode: int) -> File:
    """A file for the pod alone, where one user (or fsGroup) says who that is (upstream's FsUser)."""
    owner = _single_user(context.pod)
    alone = owner is not None or context.fs_group is not None
    return File(data, 0o600 if alone else mode, owner)


def _single_user(pod: Object) -> int | None:
    """The one user id that all containers run as, if there is one (upstream's FsUserFrom)."""
    default = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    users = {
        (item.get("securityContext") or {}).get("runAsUser", default)
        for item in naming.containers_of(pod)
    }
    return users.pop() if len(users) == 1 else None


async def trust_bundle(context: VolumeContext, source: Object, mode: int = MODE) -> dict[str, File]:
    """Of a ClusterTrustBundleProjection: the anchors of all that match, each once."""
    name, signer = source.get("name") or "", source.get("signerName") or ""
    try:
        bundles = await context.tools.objects.bundles(name, signer)
    except (ApiError, ConnectionError) as error:
        raise MountError(f"while getting ClusterTrustBundle: {error}") from error
    if not name:  # no selector matches nothing, an empty one everything
        selector = selectors.from_label_selector(source.get("labelSelector"))
        bundles = [one for one in bundles if selector.matches(one["metadata"].get("labels") or {})]
    if not bundles and not source.get("optional"):
        what = f'clustertrustbundle "{name}" not found' if name else (
            "combination of signerName and labelSelector matched zero ClusterTrustBundles"
        )  # fmt: skip
        raise MountError(what)
    anchors = {one: None for item in bundles for one in _blocks(item["spec"]["trustBundle"])}
    data = "".join(sorted(anchors)).encode()
    return {_safe(source["path"]): _private(context, data, mode)}


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


def _blocks(text: str) -> list[str]:
    """The certificates in a text, without what stands between them."""
    return [f"{block}\n" for block in _PEM.findall(text)]


async def pod_certificate(
    context: VolumeContext, source: Object, mode: int = MODE
) -> dict[str, File]:
    """Of a PodCertificateProjection: key and chain, in one file or two."""
    paths = {name: str(source[name]) for name in _CERTIFICATE_PATHS if source.get(name)}
    place = f"{context.name}/{'/'.join(paths.values())}"
    try:
        key, chain = await context.tools.certificates.get(context.pod, place, source)
    except (ApiError, ConnectionError) as error:
        raise MountError(f"while requesting a pod certificate: {error}") from error
    chain = "".join(_blocks(chain.decode())).encode()
    parts = dict(zip(_CERTIFICATE_PATHS, (key + chain, key, chain), strict=True))
    return {_safe(path): _private(context, parts[name], mode) for name, path in paths.items()}


_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")
_PROJECTIONS: Mapping[str, Payload] = {
    "clusterTrustBundle": trust_bundle,
    "configMap": config_map,
    "downwardAPI": downward_api,
    "podCertificate": pod_certificate,
    "secret": secret,
    "serviceAccountToken": token,
}


async def projected(context: VolumeContext, source: Object, mode: int) -> dict[str, File]:
    """Of a ProjectedVolumeSource: all sources in one folder, later ones win."""
    files: dict[str, File] = {}
    for projection in source.get("sources") or ():
        for kind, value in projection.items():
            if kind not in _PROJECTIONS:
                raise MountError(f"unsupported projected volume source: {kind}")
            files |= await _PROJECTIONS[kind](context, value, mode)
    return files


def nested(pod: Object, name: str) -> list[str]:
    """Where containers mount other volumes inside this one: folders it must have. In order."""
    found: dict[str, None] = {}
    for container in naming.containers_of(pod):
        paths = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", ())]
        for mount in container.get("volumeMounts", ()):
            if mount["name"] == name and not (mount.get("subPath") or mount.get("subPathExpr")):
                base = mount["mountPath"].rstrip("/") + "/"
                found |= {p.removeprefix(base): None for p in paths if p.startswith(base)}
    return [path for path in found if ".." not in path.split("/")]


def live(payload: Payload, *, secret: bool = True) -> VolumeType:
    """A volume type of files that are kept current while the pod runs, all at once.

    `secret`: on a tmpfs, so that nothing of it reaches a disk.
    """

    def fill(context: VolumeContext, files: dict[str, File], stamp: str) -> None:
        folder = context.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if secret and not folder.is_mount():
            mounts.tmpfs(folder, secret=True)
            folder.chmod(0o755)
        write(folder, files, stamp, context.fs_group)
        for path in nested(context.pod, context.name):
            if not os.path.lexists(folder / path):
                (folder / path).mkdir(parents=True, mode=0o755)

    async def prepare(context: VolumeContext, source: Object) -> Path:
        mode = MODE if source.get("defaultMode") is None else int(source["defaultMode"])
        files = await payload(context, source, mode)
        stamp = context.tools.env.clock.now().strftime("%Y_%m_%d_%H_%M_%S")
        await context.tools.env.offload.run(fill, context, files, stamp)
        return context.folder

    return VolumeType(prepare, live=True, owned=False, read_only=True)
