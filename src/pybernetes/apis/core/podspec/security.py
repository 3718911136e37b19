# SPDX-License-Identifier: Apache-2.0
"""Security contexts of pods and containers."""

import re

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import user_id

_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match
_PROFILES = ["Localhost", "RuntimeDefault", "Unconfined"]
_CHOICES = {
    "fsGroupChangePolicy": ["Always", "OnRootMismatch"],
    "supplementalGroupsPolicy": ["Merge", "Strict"],
    "seLinuxChangePolicy": ["MountOption", "Recursive"],
}


def validate_pod_security(context: Object, spec: Object, at: str, errors: Errors) -> None:
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        _id(context.get(field), f"{at}.{field}", errors)
    for number, group in enumerate(context.get("supplementalGroups") or ()):
        _id(group, f"{at}.supplementalGroups[{number}]", errors)
    if context.get("sysctls"):
        _sysctls(context["sysctls"], spec, f"{at}.sysctls", errors)
    for field, known in _CHOICES.items():
        value = context.get(field)
        if value is not None and value not in known:
            errors.append(not_supported(f"{at}.{field}", value, known))
    _profiles(context, at, errors)


def _id(value: int | None, at: str, errors: Errors) -> None:
    if value is not None:
        errors.extend(invalid(at, value, text) for text in user_id(value))


def _sysctls(sysctls: list[Object], spec: Object, at: str, errors: Errors) -> None:
    names: list[str] = []
    for number, sysctl in enumerate(sysctls):
        name, path = sysctl.get("name") or "", f"{at}[{number}].name"
        if not name:
            errors.append(required(path))
        elif len(name) > 253 or not _is_sysctl(name):
            text = f"must have at most 253 characters and match regex {_SYSCTL}"
            errors.append(invalid(path, name, text))
        elif name in names:
            errors.append(duplicate(path, name))
        names.append(name)
        if spec.get("hostNetwork") and name.startswith(("net.", "net/")):
            errors.append(invalid(path, name, "may not be specified when 'hostNetwork' is true"))
        if spec.get("hostIPC") and name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")):
            errors.append(invalid(path, name, "may not be specified when 'hostIPC' is true"))


def _profiles(context: Object, at: str, errors: Errors) -> None:
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is not None:
            _profile(profile, f"{at}.{field}", errors)


def _profile(profile: Object, at: str, errors: Errors) -> None:
    type_, local = profile.get("type") or "", profile.get("localhostProfile")
    if type_ == "Localhost":
        if not local:
            text = "must be set when seccomp type is Localhost"
            if "appArmor" in at:
                text = "must be set when AppArmor type is Localhost"
            errors.append(required(f"{at}.localhostProfile", text))
        elif "seccomp" in at and (local.startswith("/") or ".." in local.split("/")):
            wrong = "be a relative path" if local.startswith("/") else "not contain '..'"
            errors.append(invalid(f"{at}.localhostProfile", local, f"must {wrong}"))
    elif local is not None:
        text = "can only be set when seccomp type is Localhost"
        if "appArmor" in at:
            text = "can only be set when AppArmor type is Localhost"
        errors.append(invalid(f"{at}.localhostProfile", local, text))
    if not type_:
        errors.append(required(f"{at}.type", "type is required when profile is set"))
    elif type_ not in _PROFILES:
        errors.append(not_supported(f"{at}.type", type_, _PROFILES))


def validate_security(context: Object, host_users: bool, at: str, errors: Errors) -> None:
    """A container's security context."""
    for field in ("runAsUser", "runAsGroup"):
        _id(context.get(field), f"{at}.{field}", errors)
    mount = context.get("procMount")
    if mount is not None and mount not in {"Default", "Unmasked"}:
        errors.append(not_supported(f"{at}.procMount", mount, ["Default", "Unmasked"]))
    if mount == "Unmasked" and host_users:
        text = "`hostUsers` must be false to use `Unmasked`"
        errors.append(invalid(f"{at}.procMount", mount, text))
    _profiles(context, at, errors)
    if context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            errors.append(invalid(at, context, text + "`privileged` to true"))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            errors.append(invalid(at, context, text + "`capabilities.Add` CAP_SYS_ADMIN"))


def validate_host_users(spec: Object, at: str, errors: Errors) -> None:
    """A pod with users of its own shares few other namespaces with its host."""
    if spec.get("hostUsers") is not False:
        return
    for field, name in (("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            errors.append(forbidden(f"{at}.{name}", "when `hostUsers` is false"))
