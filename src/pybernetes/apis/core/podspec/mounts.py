# SPDX-License-Identifier: Apache-2.0
"""What containers mount: volumes as directories, and claims as block devices."""

from pybernetes.apimachinery.field import (
    Errors,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.volumes import validate_descending

_PROPAGATIONS = ["Bidirectional", "HostToContainer", "None"]
_BLOCK = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"


def validate_mounts(container: Object, volumes: dict[str, Object], at: str, errors: Errors) -> None:
    """volumeMounts of a container; `volumes` by name."""
    devices = {
        one.get("name"): one.get("devicePath") for one in container.get("volumeDevices") or ()
    }
    seen: list[str] = []
    for number, mount in enumerate(container["volumeMounts"]):
        path = f"{at}[{number}]"
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            errors.append(required(f"{path}.name"))
        if name not in volumes:
            errors.append(not_found(f"{path}.name", name))
        if not target:
            errors.append(required(f"{path}.mountPath"))
        if target in seen:
            errors.append(invalid(f"{path}.mountPath", target, "must be unique"))
        seen.append(target)
        if name in devices:
            text = "must not already exist in volumeDevices"
            errors.append(invalid(f"{path}.name", name, text))
        if target in devices.values():
            text = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{path}.mountPath", target, text))
        _options(mount, container, at, path, errors=errors)


def _options(mount: Object, container: Object, at: str, path: str, *, errors: Errors) -> None:
    below, expression = mount.get("subPath"), mount.get("subPathExpr")
    if below:
        validate_descending(below, f"{at}.subPath", errors)
    if expression:
        if below:
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{path}.subPathExpr", expression, text))
        validate_descending(expression, f"{at}.subPathExpr", errors)
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        if propagation not in _PROPAGATIONS:
            errors.append(not_supported(f"{at}.mountPropagation", propagation, _PROPAGATIONS))
        privileged = (container.get("securityContext") or {}).get("privileged")
        if propagation == "Bidirectional" and not privileged:
            text = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(forbidden(f"{at}.mountPropagation", text))
    _recursive(mount, f"{at}.recursiveReadOnly", errors)


def _recursive(mount: Object, at: str, errors: Errors) -> None:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return
    if mode not in {"Enabled", "IfPossible"}:
        errors.append(not_supported(at, mode, ["Disabled", "Enabled", "IfPossible"]))
        return
    if not mount.get("readOnly"):
        errors.append(forbidden(at, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in {None, "None"}:
        text = "may only be specified when mountPropagation is None or not specified"
        errors.append(forbidden(at, text))


def validate_devices(
    container: Object, volumes: dict[str, Object], at: str, errors: Errors
) -> None:
    mounts = {one.get("name"): one.get("mountPath") for one in container.get("volumeMounts") or ()}
    names: list[str] = []
    paths: list[str] = []
    for number, device in enumerate(container["volumeDevices"]):
        path = f"{at}[{number}]"
        name, target = device.get("name") or "", device.get("devicePath") or ""
        volume = volumes.get(name)
        checks = (
            (name in names, "must be unique"),
            (volume is not None and not _is_claim(volume), _BLOCK),
            (name in mounts, "must not already exist in volumeMounts"),
        )
        if not name:
            errors.append(required(f"{path}.name"))
        errors.extend(invalid(f"{path}.name", name, text) for wrong, text in checks if wrong)
        if volume is None:
            errors.append(not_found(f"{path}.name", name))
        _device_path(target, paths, list(mounts.values()), f"{path}.devicePath", errors=errors)
        names.append(name)
        paths.append(target)


def _device_path(
    target: str, paths: list[str], mounts: list[str | None], at: str, *, errors: Errors
) -> None:
    if not target:
        errors.append(required(at))
    checks = (
        (target in paths, "must be unique"),
        (".." in target.split("/"), "can not contain backsteps ('..')"),
        (target in mounts, "must not already exist as a path in volumeMounts"),
    )
    errors.extend(invalid(at, target, text) for wrong, text in checks if wrong)


def _is_claim(volume: Object) -> bool:
    return volume.get("persistentVolumeClaim") is not None or volume.get("ephemeral") is not None
