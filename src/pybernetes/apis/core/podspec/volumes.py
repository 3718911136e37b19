# SPDX-License-Identifier: Apache-2.0
"""Volumes of a pod spec, beyond the rows of data/rules.txt."""

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.environment import (
    VOLUME_FIELDS,
    validate_field_ref,
    validate_resource_ref,
)
from pybernetes.apis.validation.names import dns1123_subdomain, no_backsteps
from pybernetes.apis.validation.part import Part

_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def validate_volumes(spec: Part) -> dict[str, Object]:
    """Findings about all volumes together, and the volumes that are fine, by name."""
    known: dict[str, Object] = {}
    wrong = tuple(error.field for error in spec.errors)
    for volume in spec.each("volumes"):
        name = volume.get("name") or ""
        if name in known:
            volume.duplicate("name", name)
        elif not any(field.startswith(volume.at) for field in wrong):
            known[name] = volume.obj
    return known


def validate_own_claims(spec: Part, pod_name: str) -> None:
    """A pod does not name a claim that it gets made for itself."""
    volumes = spec.get("volumes") or ()
    made = [f"{pod_name}-{one.get('name')}" for one in volumes if one.get("ephemeral") is not None]
    for volume in spec.each("volumes"):
        claim = volume.child("persistentVolumeClaim")
        if claim.get("claimName") in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            claim.invalid("claimName", claim.get("claimName"), text)


def validate_empty_dir(source: Part) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit).nano < 0:
        source.forbidden("sizeLimit", "SizeLimit field must be a valid resource quantity")


def descending(path: str) -> list[str]:
    """A relative path that never goes up."""
    absolute = ["must be a relative path"] if path.startswith("/") else []
    return absolute + no_backsteps(path)


def file_path(path: str) -> list[str]:
    """Where a file may be written in a volume."""
    dotted = path.startswith("..") and ".." not in path.split("/")
    return descending(path) + (["must not start with '..'"] if dotted else [])


def absolute(path: str) -> list[str]:
    return [] if path.startswith("/") else ["must be an absolute path"]


def driver_name(name: str) -> list[str]:
    long = len(name) > 63
    return ["must be no more than 63 characters"] if long else dns1123_subdomain(name.lower())


def validate_downward(source: Part) -> None:
    for item in source.get("items") or ():
        part = Part(item, source.at, source.errors)  # upstream does not say which item it is
        part.need_rule("path", file_path)
        if part.get("fieldRef") is not None:
            validate_field_ref(part.child("fieldRef"), VOLUME_FIELDS)
            if part.get("resourceFieldRef") is not None:
                text = "fieldRef and resourceFieldRef can not be specified simultaneously"
                part.invalid("", "resource", text)
        elif part.get("resourceFieldRef") is not None:
            validate_resource_ref(part.child("resourceFieldRef"), volume=True)
        else:
            part.required("", "one of fieldRef and resourceFieldRef is required")
        if not 0 <= (part.get("mode") or 0) <= 0o777:
            text = "must be a number between 0 and 0777 (octal), both inclusive"
            part.invalid("mode", part.get("mode"), text)


def validate_projected(volume: Part) -> None:
    """One source each, and no two that write the same file."""
    paths: list[str] = []
    for source in volume.each("sources"):
        used = [name for name, value in source.obj.items() if value is not None]
        for name in used:
            part = source.child(name)
            if name == "serviceAccountToken":
                Part(part.obj, volume.at, part.errors).need_rule("path", file_path)
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


def validate_certificate(part: Part) -> None:
    if not any(map(part.get, _CERTIFICATE_PATHS)):
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        part.required("", text)
    signer = str(part.get("signerName") or "").partition("/")[0]
    ours = f".{signer}".endswith(".kubernetes.io")
    limit, seconds = 86400 if ours else 91 * 86400, part.get("maxExpirationSeconds") or 0
    if seconds > limit:
        text = f"if provided, maxExpirationSeconds must be <= {limit}"
        part.invalid("maxExpirationSeconds", seconds, text)
