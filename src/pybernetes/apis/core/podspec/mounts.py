# SPDX-License-Identifier: Apache-2.0
"""What containers mount: volumes as directories, and claims as block devices."""

from pybernetes.apimachinery.field import not_found
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.volumes import descending
from pybernetes.apis.validation.part import Part

_PROPAGATIONS = ["Bidirectional", "HostToContainer", "None"]
_BLOCK = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"


def _known(part: Part, volumes: dict[str, Object]) -> None:
    part.need("name")
    if (part.get("name") or "") not in volumes:
        part.errors.append(not_found(part.path("name"), part.get("name") or ""))


def validate_mounts(container: Part, volumes: dict[str, Object]) -> None:
    """volumeMounts of a container; `volumes` by name."""
    devices = {
        one.get("name"): one.get("devicePath") for one in container.get("volumeDevices") or ()
    }
    seen: list[str] = []
    for mount in container.each("volumeMounts"):
        _known(mount, volumes)
        mount.need("mountPath")
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if name in devices:
            mount.invalid("name", name, "must not already exist in volumeDevices")
        checks = (
            (target in seen, "must be unique"),
            (target in devices.values(), "must not already exist as a path in volumeDevices"),
        )
        mount.wrong("mountPath", target, [text for wrong, text in checks if wrong])
        seen.append(target)
        _options(mount, container)


def _options(mount: Part, container: Part) -> None:
    """What upstream reports at the path of the list."""
    part = Part(mount.obj, container.path("volumeMounts"), mount.errors)
    below, expression = mount.get("subPath"), mount.get("subPathExpr")
    part.rule("subPath", descending)
    part.rule("subPathExpr", descending)
    if below and expression:
        text = "subPathExpr and subPath are mutually exclusive"
        mount.invalid("subPathExpr", expression, text)
    part.choice("mountPropagation", _PROPAGATIONS)
    privileged = (container.get("securityContext") or {}).get("privileged")
    if mount.get("mountPropagation") == "Bidirectional" and not privileged:
        text = "Bidirectional mount propagation is available only to privileged containers"
        part.forbidden("mountPropagation", text)
    part.choice("recursiveReadOnly", ["Disabled", "Enabled", "IfPossible"])
    if mount.get("recursiveReadOnly") in {"Enabled", "IfPossible"}:
        if not mount.get("readOnly"):
            part.forbidden("recursiveReadOnly", "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in {None, "None"}:
            text = "may only be specified when mountPropagation is None or not specified"
            part.forbidden("recursiveReadOnly", text)


def validate_devices(container: Part, volumes: dict[str, Object]) -> None:
    mounts = {one.get("name"): one.get("mountPath") for one in container.get("volumeMounts") or ()}
    names: list[str] = []
    paths: list[str] = []
    for device in container.each("volumeDevices"):
        name, target = device.get("name") or "", device.get("devicePath") or ""
        _known(device, volumes)
        source = volumes.get(name) or {}
        claim = source.get("persistentVolumeClaim") or source.get("ephemeral")
        wrong = name in volumes and claim is None
        checks = (
            (name in names, "name", "must be unique"),
            (wrong, "name", _BLOCK),
            (name in mounts, "name", "must not already exist in volumeMounts"),
            (target in paths, "devicePath", "must be unique"),
            (".." in target.split("/"), "devicePath", "can not contain backsteps ('..')"),
            (
                target in mounts.values(),
                "devicePath",
                "must not already exist as a path in volumeMounts",
            ),
        )
        device.need("devicePath")
        for found, field, text in checks:
            if found:
                device.invalid(field, name if field == "name" else target, text)
        names.append(name)
        paths.append(target)
