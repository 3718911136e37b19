# SPDX-License-Identifier: Apache-2.0
"""Volumes of a pod spec. Sources that no node here can mount are accepted as they are."""

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.environment import (
    VOLUME_FIELDS,
    no_backsteps,
    validate_field_ref,
    validate_resource_ref,
)
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_label, dns1123_subdomain
from pybernetes.apis.validation.part import Check, Part

_HOST_TYPES = [
    *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate"),
    *("File", "FileOrCreate", "Socket"),
]
PULL_POLICIES = ["Always", "IfNotPresent", "Never"]
_KEY_TYPES = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"]
_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def validate_volumes(spec: Part, pod_name: str = "") -> dict[str, Object]:
    """The findings, and the volumes that are fine, by name."""
    known: dict[str, Object] = {}
    for volume in spec.each("volumes"):
        before, name = len(volume.errors), volume.get("name") or ""
        _source(volume)
        volume.need_rule("name", dns1123_label)
        if name in known:
            volume.duplicate("name", name)
        if len(volume.errors) == before:
            known[name] = volume.obj
    if pod_name:
        _own_claims(spec, pod_name)
    return known


def _own_claims(spec: Part, pod_name: str) -> None:
    volumes = spec.get("volumes")
    made = [f"{pod_name}-{one.get('name')}" for one in volumes if one.get("ephemeral") is not None]
    for volume in spec.each("volumes"):
        claim = volume.child("persistentVolumeClaim")
        if claim.get("claimName") in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            claim.invalid("claimName", claim.get("claimName"), text)


def _source(volume: Part) -> None:
    used = [name for name, value in volume.obj.items() if name != "name" and value is not None]
    if not used:
        volume.required("", "must specify a volume type")
        return
    for name in used[1:]:
        volume.forbidden(name, "may not specify more than 1 volume type")
    check = _SOURCES.get(used[0])
    if check is not None:
        check(volume.child(used[0]))


def _mode(mode: int) -> list[str]:
    fine = 0 <= mode <= 0o777
    return [] if fine else ["must be a number between 0 and 0777 (octal), both inclusive"]


def _empty_dir(source: Part) -> None:
    limit, mode = source.get("sizeLimit"), source.get("mode")
    if limit is not None and quantity.parse(limit).nano < 0:
        source.forbidden("sizeLimit", "SizeLimit field must be a valid resource quantity")
    if mode is not None and not 0 <= mode <= 0o1777:
        text = "must be a number between 0 and 01777 (octal), both inclusive"
        source.invalid("mode", mode, text)


def _host_path(source: Part) -> None:
    source.need_rule("path", no_backsteps)
    if source.get("path"):
        source.choice("type", _HOST_TYPES)


def descending(path: str) -> list[str]:
    """A relative path that never goes up."""
    absolute = ["must be a relative path"] if path.startswith("/") else []
    return absolute + no_backsteps(path)


def _file_path(path: str) -> list[str]:
    dotted = path.startswith("..") and ".." not in path.split("/")
    return descending(path) + (["must not start with '..'"] if dotted else [])


def _items(source: Part) -> None:
    source.set_rule("defaultMode", _mode)
    for item in source.each("items"):
        item.need("key", "path")
        item.rule("path", _file_path)
        item.set_rule("mode", _mode)


def _secret(source: Part) -> None:
    source.need("secretName")
    _items(source)


def _config_map(source: Part) -> None:
    source.need("name")
    _items(source)


def _downward(source: Part) -> None:
    source.set_rule("defaultMode", _mode)
    for item in source.get("items") or ():
        part = Part(item, source.at, source.errors)  # upstream does not say which item it is
        part.need_rule("path", _file_path)
        if part.get("fieldRef") is not None:
            validate_field_ref(part.child("fieldRef"), VOLUME_FIELDS)
            if part.get("resourceFieldRef") is not None:
                text = "fieldRef and resourceFieldRef can not be specified simultaneously"
                part.invalid("", "resource", text)
        elif part.get("resourceFieldRef") is not None:
            validate_resource_ref(part.child("resourceFieldRef"), volume=True)
        else:
            part.required("", "one of fieldRef and resourceFieldRef is required")
        part.set_rule("mode", _mode)


def _projected(volume: Part) -> None:
    volume.set_rule("defaultMode", _mode)
    paths: list[str] = []
    for source in volume.each("sources"):
        used = [name for name, value in source.obj.items() if value is not None]
        for name in used:
            part = source.child(name)
            if name == "serviceAccountToken":
                _token(part, volume)
            elif name in _PROJECTED:
                _PROJECTED[name](part)
            for file in _paths(name, part):
                if file in paths:
                    shown = part.get("name") if name in {"secret", "configMap"} else file
                    volume.invalid("", shown, "conflicting duplicate paths")
                paths.append(file)
        if len(used) > 1:
            source.forbidden("", "may not specify more than 1 volume type per source")


def _paths(name: str, part: Part) -> list[str]:
    """The files that one source of a projected volume writes (a token's does not count)."""
    if name == "podCertificate":
        found = [part.get(field) for field in _CERTIFICATE_PATHS]
    elif name == "clusterTrustBundle":
        found = [part.get("path")]
    else:
        found = [item.get("path") for item in part.get("items") or ()]
    return [path for path in found if path]


def _token(part: Part, volume: Part) -> None:
    seconds = part.get("expirationSeconds")
    if seconds is None:
        part.required("expirationSeconds")
    elif seconds < 600:
        text = "may not specify a duration less than 10 minutes"
        part.invalid("expirationSeconds", seconds, text)
    elif seconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        part.invalid("expirationSeconds", seconds, text)
    Part(part.obj, volume.at, part.errors).need_rule("path", _file_path)


def _trust_bundle(part: Part) -> None:
    name, signer, selector = map(part.get, ("name", "signerName", "labelSelector"))
    if name is not None and signer is not None:
        part.invalid("", part.obj, "only one of name and signerName may be used")
    elif name is not None:
        part.need("name", detail="must be a valid object name")
        if selector is not None:
            text = "labelSelector must be unset if name is specified"
            part.invalid("labelSelector", selector, text)
    elif signer is not None:
        part.need("signerName", detail="must be a valid signer name")
        validate_label_selector(part, "labelSelector")
    else:
        part.required("", "either name or signerName must be specified")
    part.need_rule("path", _file_path)


def _certificate(part: Part) -> None:
    part.need("signerName")
    part.one_of("keyType", _KEY_TYPES)
    seconds = part.get("maxExpirationSeconds")
    if seconds is not None and seconds < 3600:
        text = "if provided, maxExpirationSeconds must be >= 3600"
        part.invalid("maxExpirationSeconds", seconds, text)
    for field in _CERTIFICATE_PATHS:
        part.rule(field, _file_path)
    if not any(map(part.get, _CERTIFICATE_PATHS)):
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        part.required("", text)


def _nfs(source: Part) -> None:
    source.need("server", "path")
    path = source.get("path") or "/"
    if not path.startswith("/"):
        source.invalid("path", path, "must be an absolute path")


def _csi(source: Part) -> None:
    source.need_rule("driver", _driver)


def _driver(name: str) -> list[str]:
    long = len(name) > 63
    return ["must be no more than 63 characters"] if long else dns1123_subdomain(name.lower())


def _ephemeral(source: Part) -> None:
    if source.get("volumeClaimTemplate") is None:
        source.required("volumeClaimTemplate")


_PROJECTED: dict[str, Check] = {
    "secret": _config_map,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "clusterTrustBundle": _trust_bundle,
    "podCertificate": _certificate,
}
_SOURCES: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": lambda source: source.need("claimName"),
    "nfs": _nfs,
    "csi": _csi,
    "image": lambda source: source.need_choice("pullPolicy", PULL_POLICIES),
    "ephemeral": _ephemeral,
}
