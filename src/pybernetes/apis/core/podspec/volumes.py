# SPDX-License-Identifier: Apache-2.0
"""Volumes of a pod spec. Sources that no node here can mount are accepted as they are."""

from collections.abc import Callable

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.environment import (
    VOLUME_FIELDS,
    validate_field_ref,
    validate_resource_ref,
)
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_label, dns1123_subdomain

_FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_EMPTY_DIR_MODE = "must be a number between 0 and 01777 (octal), both inclusive"
_HOST_TYPES = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
]
_PULL_POLICIES = ["Always", "IfNotPresent", "Never"]
_MORE = "may not specify more than 1 volume type"
_CONFLICT = "conflicting duplicate paths"


def validate_volumes(
    volumes: list[Object], at: str, errors: Errors, pod_name: str = ""
) -> dict[str, Object]:
    """The findings, and the volumes that are fine, by name."""
    known: dict[str, Object] = {}
    for number, volume in enumerate(volumes):
        path = f"{at}[{number}]"
        before = len(errors)
        _source(volume, path, errors)
        name = volume.get("name") or ""
        if not name:
            errors.append(required(f"{path}.name"))
        else:
            errors.extend(invalid(f"{path}.name", name, text) for text in dns1123_label(name))
        if name in known:
            errors.append(duplicate(f"{path}.name", name))
        if len(errors) == before:
            known[name] = volume
    if pod_name:
        _own_claims(volumes, at, pod_name, errors)
    return known


def _own_claims(volumes: list[Object], at: str, pod_name: str, errors: Errors) -> None:
    made = [f"{pod_name}-{one.get('name')}" for one in volumes if one.get("ephemeral") is not None]
    for number, volume in enumerate(volumes):
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(f"{at}[{number}].persistentVolumeClaim.claimName", claim, text))


def _source(volume: Object, at: str, errors: Errors) -> None:
    used = [name for name, value in volume.items() if name != "name" and value is not None]
    if not used:
        errors.append(required(at, "must specify a volume type"))
        return
    for name in used[1:]:
        errors.append(forbidden(f"{at}.{name}", _MORE))
    check = _SOURCES.get(used[0])
    if check is not None:
        check(volume[used[0]], f"{at}.{used[0]}", errors)


def _mode(mode: int | None, at: str, errors: Errors) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid(at, mode, _FILE_MODE))


def _empty_dir(source: Object, at: str, errors: Errors) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit).nano < 0:
        text = "SizeLimit field must be a valid resource quantity"
        errors.append(forbidden(f"{at}.sizeLimit", text))
    mode = source.get("mode")
    if mode is not None and not 0 <= mode <= 0o1777:
        errors.append(invalid(f"{at}.mode", mode, _EMPTY_DIR_MODE))


def _host_path(source: Object, at: str, errors: Errors) -> None:
    path = source.get("path") or ""
    if not path:
        errors.append(required(f"{at}.path"))
        return
    _no_backsteps(path, f"{at}.path", errors)
    if source.get("type") and source["type"] not in _HOST_TYPES:
        errors.append(not_supported(f"{at}.type", source["type"], _HOST_TYPES))


def _no_backsteps(path: str, at: str, errors: Errors) -> None:
    if ".." in path.split("/"):
        errors.append(invalid(at, path, "must not contain '..'"))


def validate_descending(path: str, at: str, errors: Errors) -> None:
    """A relative path that never goes up."""
    if path.startswith("/"):
        errors.append(invalid(at, path, "must be a relative path"))
    _no_backsteps(path, at, errors)


def _file_path(path: str, at: str, errors: Errors) -> None:
    validate_descending(path, at, errors)
    if path.startswith("..") and ".." not in path.split("/"):
        errors.append(invalid(at, path, "must not start with '..'"))


def _items(source: Object, at: str, errors: Errors) -> None:
    for number, item in enumerate(source.get("items") or ()):
        path = f"{at}.items[{number}]"
        for field in ("key", "path"):
            if not item.get(field):
                errors.append(required(f"{path}.{field}"))
        _file_path(item.get("path") or "", f"{path}.path", errors)
        _mode(item.get("mode"), f"{path}.mode", errors)


def _secret(source: Object, at: str, errors: Errors) -> None:
    if not source.get("secretName"):
        errors.append(required(f"{at}.secretName"))
    _mode(source.get("defaultMode"), f"{at}.defaultMode", errors)
    _items(source, at, errors)


def _config_map(source: Object, at: str, errors: Errors) -> None:
    if not source.get("name"):
        errors.append(required(f"{at}.name"))
    _mode(source.get("defaultMode"), f"{at}.defaultMode", errors)
    _items(source, at, errors)


def _downward(source: Object, at: str, errors: Errors) -> None:
    _mode(source.get("defaultMode"), f"{at}.defaultMode", errors)
    for item in source.get("items") or ():
        _downward_file(item, at, errors)


def _downward_file(item: Object, at: str, errors: Errors) -> None:
    path = item.get("path") or ""
    if not path:
        errors.append(required(f"{at}.path"))
    _file_path(path, f"{at}.path", errors)
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        validate_field_ref(field, VOLUME_FIELDS, f"{at}.fieldRef", errors)
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(at, "resource", text))
    elif resource is not None:
        validate_resource_ref(resource, f"{at}.resourceFieldRef", errors, volume=True)
    else:
        errors.append(required(at, "one of fieldRef and resourceFieldRef is required"))
    _mode(item.get("mode"), f"{at}.mode", errors)


def _projected(source: Object, at: str, errors: Errors) -> None:
    _mode(source.get("defaultMode"), f"{at}.defaultMode", errors)
    paths: list[str] = []
    for number, part in enumerate(source.get("sources") or ()):
        path = f"{at}.sources[{number}]"
        used = [name for name, value in part.items() if value is not None]
        for name in used:
            _part(name, part[name], f"{path}.{name}", at, errors=errors)
            for file in _paths(name, part[name]):
                if file in paths:
                    shown = part[name].get("name") if name in {"secret", "configMap"} else file
                    errors.append(invalid(at, shown, _CONFLICT))
                paths.append(file)
        if len(used) > 1:
            text = "may not specify more than 1 volume type per source"
            errors.append(forbidden(path, text))


_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def _paths(name: str, part: Object) -> list[str]:
    """The files that one source of a projected volume writes (a token's does not count)."""
    if name == "podCertificate":
        found = [part.get(field) for field in _CERTIFICATE_PATHS]
    elif name == "clusterTrustBundle":
        found = [part.get("path")]
    else:
        found = [item.get("path") for item in part.get("items") or ()]
    return [path for path in found if path]


def _part(name: str, part: Object, at: str, volume: str, *, errors: Errors) -> None:
    if name in {"secret", "configMap"}:
        if not part.get("name"):
            errors.append(required(f"{at}.name"))
        _items(part, at, errors)
    elif name == "downwardAPI":
        for item in part.get("items") or ():
            _downward_file(item, at, errors)
    elif name == "serviceAccountToken":
        _token(part, at, volume, errors)
    elif name == "clusterTrustBundle":
        _trust_bundle(part, at, errors)
    elif name == "podCertificate":
        _certificate(part, at, errors)


def _token(part: Object, at: str, volume: str, errors: Errors) -> None:
    seconds, path = part.get("expirationSeconds"), part.get("path") or ""
    if seconds is None:
        errors.append(required(f"{at}.expirationSeconds"))
    elif seconds < 600:
        text = "may not specify a duration less than 10 minutes"
        errors.append(invalid(f"{at}.expirationSeconds", seconds, text))
    elif seconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(f"{at}.expirationSeconds", seconds, text))
    if not path:
        errors.append(required(f"{volume}.path"))
    else:
        _file_path(path, f"{volume}.path", errors)


def _trust_bundle(part: Object, at: str, errors: Errors) -> None:
    name, signer = part.get("name"), part.get("signerName")
    if name is not None and signer is not None:
        errors.append(invalid(at, part, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            errors.append(required(f"{at}.name", "must be a valid object name"))
        if part.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            errors.append(invalid(f"{at}.labelSelector", part["labelSelector"], text))
    elif signer is not None:
        if not signer:
            errors.append(required(f"{at}.signerName", "must be a valid signer name"))
        validate_label_selector(part.get("labelSelector"), f"{at}.labelSelector", errors)
    else:
        errors.append(required(at, "either name or signerName must be specified"))
    if not part.get("path"):
        errors.append(required(f"{at}.path"))
    _file_path(part.get("path") or "", f"{at}.path", errors)


_KEY_TYPES = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"]


def _certificate(part: Object, at: str, errors: Errors) -> None:
    if not part.get("signerName"):
        errors.append(required(f"{at}.signerName"))
    if part.get("keyType") not in _KEY_TYPES:
        errors.append(not_supported(f"{at}.keyType", part.get("keyType"), _KEY_TYPES))
    seconds = part.get("maxExpirationSeconds")
    if seconds is not None and seconds < 3600:
        text = "if provided, maxExpirationSeconds must be >= 3600"
        errors.append(invalid(f"{at}.maxExpirationSeconds", seconds, text))
    given = [field for field in _CERTIFICATE_PATHS if part.get(field)]
    for field in given:
        _file_path(part[field], f"{at}.{field}", errors)
    if not given:
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(at, text))


def _claim(source: Object, at: str, errors: Errors) -> None:
    if not source.get("claimName"):
        errors.append(required(f"{at}.claimName"))


def _nfs(source: Object, at: str, errors: Errors) -> None:
    for field in ("server", "path"):
        if not source.get(field):
            errors.append(required(f"{at}.{field}"))
    path = source.get("path") or "/"
    if not path.startswith("/"):
        errors.append(invalid(f"{at}.path", path, "must be an absolute path"))


def _csi(source: Object, at: str, errors: Errors) -> None:
    driver = source.get("driver") or ""
    if not driver:
        errors.append(required(f"{at}.driver"))
    elif len(driver) > 63:
        errors.append(invalid(f"{at}.driver", driver, "must be no more than 63 characters"))
    else:
        wrong = dns1123_subdomain(driver.lower())
        errors.extend(invalid(f"{at}.driver", driver, text) for text in wrong)


def _image(source: Object, at: str, errors: Errors) -> None:
    policy = source.get("pullPolicy")
    if not policy:
        errors.append(required(f"{at}.pullPolicy"))
    elif policy not in _PULL_POLICIES:
        errors.append(not_supported(f"{at}.pullPolicy", policy, _PULL_POLICIES))


def _ephemeral(source: Object, at: str, errors: Errors) -> None:
    if source.get("volumeClaimTemplate") is None:
        errors.append(required(f"{at}.volumeClaimTemplate"))


_SOURCES: dict[str, Callable[[Object, str, Errors], None]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "csi": _csi,
    "image": _image,
    "ephemeral": _ephemeral,
}
