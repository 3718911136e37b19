# SPDX-License-Identifier: Apache-2.0
"""securityContext of pod and container as CRI's security contexts. Pure."""

from typing import Any

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Config, Image
from pybernetes.kubelet.containers.environment import ConfigError

_MASKED = (
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys"),
    *("/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"),
    *("/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"),
)
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def effective(pod: Object, container: Object, name: str) -> Any:
    """A securityContext field: the container's, else the pod's, else None."""
    own = container.get("securityContext") or {}
    if own.get(name) is not None:
        return own[name]
    return (pod["spec"].get("securityContext") or {}).get(name)


def namespaces(pod: Object) -> Config:
    spec = pod["spec"]
    pid = "CONTAINER"
    if spec.get("shareProcessNamespace"):
        pid = "POD"
    if spec.get("hostPID"):
        pid = "NODE"
    return {
        "network": "NODE" if spec.get("hostNetwork") else "POD",
        "pid": pid,
        "ipc": "NODE" if spec.get("hostIPC") else "POD",
    }


def groups(pod: Object) -> list[int]:
    """fsGroup and supplementalGroups."""
    context = pod["spec"].get("securityContext") or {}
    fs_group = [context["fsGroup"]] if context.get("fsGroup") is not None else []
    return [*fs_group, *context.get("supplementalGroups", ())]


def _profile(profile: Object, folder: str = "") -> Config:
    """SecurityProfile. `folder`: where Localhost profiles are."""
    if profile["type"] == "Localhost":
        return {"profile_type": "Localhost", "localhost_ref": folder + profile["localhostProfile"]}
    return {"profile_type": profile["type"]}


def sandbox(pod: Object) -> Config:
    """LinuxSandboxSecurityContext."""
    context = pod["spec"].get("securityContext") or {}
    result: Config = {
        "namespace_options": namespaces(pod),
        "supplemental_groups": groups(pod),
        "privileged": any(
            (item.get("securityContext") or {}).get("privileged")
            for item in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
        ),
        "seccomp": {"profile_type": "RuntimeDefault"},
    }
    if context.get("runAsUser") is not None and context.get("runAsUser") != 0:
        result["run_as_user"] = {"value": context["runAsUser"]}
        if context.get("runAsGroup") is not None:
            result["run_as_group"] = {"value": context["runAsGroup"]}
    return result


def container(pod: Object, spec: Object, image: Image | None, profiles: str = "") -> Config:
    """LinuxContainerSecurityContext. Raises ConfigError when runAsNonRoot would be broken.

    `profiles`: the folder of seccomp profiles. None asked for means unconfined, as upstream does
    without SeccompDefault.
    """
    _check_non_root(pod, spec, image)
    own = spec.get("securityContext") or {}
    result: Config = {
        "namespace_options": namespaces(pod),
        "privileged": bool(own.get("privileged")),
        "readonly_rootfs": bool(own.get("readOnlyRootFilesystem")),
        "no_new_privs": own.get("allowPrivilegeEscalation") is False,
        "supplemental_groups": groups(pod),
        "seccomp": _profile(
            effective(pod, spec, "seccompProfile") or {"type": "Unconfined"}, f"{profiles}/"
        ),
    }
    if effective(pod, spec, "appArmorProfile"):
        result["apparmor"] = _profile(effective(pod, spec, "appArmorProfile"))
    capabilities = own.get("capabilities") or {}
    if capabilities:
        result["capabilities"] = {
            "add_capabilities": [name.removeprefix("CAP_") for name in capabilities.get("add", ())],
            "drop_capabilities": [
                name.removeprefix("CAP_") for name in capabilities.get("drop", ())
            ],
        }
    if own.get("procMount") != "Unmasked" and not own.get("privileged"):
        result |= {"masked_paths": list(_MASKED), "readonly_paths": list(_READONLY)}
    return result | _identity(pod, spec, image)


def _identity(pod: Object, spec: Object, image: Image | None) -> Config:
    result: Config = {}
    user = effective(pod, spec, "runAsUser")
    if user is not None:
        result["run_as_user"] = {"value": user}
    elif image is not None and isinstance(image.user, int):
        result["run_as_user"] = {"value": image.user}
    elif image is not None and image.user:
        result["run_as_username"] = image.user
    group = effective(pod, spec, "runAsGroup")
    if group is not None:
        result["run_as_group"] = {"value": group}
        result.setdefault("run_as_user", {"value": 0})
        if "run_as_username" in result:
            result.pop("run_as_user")
    return result


def _check_non_root(pod: Object, spec: Object, image: Image | None) -> None:
    if effective(pod, spec, "runAsNonRoot") is not True:
        return
    where = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}'
    where += f'({pod["metadata"]["uid"]})", container: {spec["name"]})'
    user = effective(pod, spec, "runAsUser")
    if user == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    if user is not None or image is None:
        return
    if isinstance(image.user, str):
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({image.user}),"
            f" cannot verify user is non-root {where}"
        )
    if not image.user:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
