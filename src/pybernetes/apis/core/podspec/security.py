# SPDX-License-Identifier: Apache-2.0
"""Security contexts of pods and containers."""

import re

from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import user_id
from pybernetes.apis.validation.part import Part

_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match
_PROFILES = ["Localhost", "RuntimeDefault", "Unconfined"]


def validate_pod_security(context: Part, spec: Object) -> None:
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        context.set_rule(field, user_id)
    context.list_rule("supplementalGroups", user_id)
    if context.get("sysctls"):
        _sysctls(context, spec)
    context.choice("fsGroupChangePolicy", ["Always", "OnRootMismatch"])
    context.choice("supplementalGroupsPolicy", ["Merge", "Strict"])
    context.choice("seLinuxChangePolicy", ["MountOption", "Recursive"])
    _profiles(context)


def _sysctls(context: Part, spec: Object) -> None:
    names: list[str] = []
    for sysctl in context.each("sysctls"):
        name = sysctl.get("name") or ""
        if not name:
            sysctl.required("name")
        elif len(name) > 253 or not _is_sysctl(name):
            text = f"must have at most 253 characters and match regex {_SYSCTL}"
            sysctl.invalid("name", name, text)
        elif name in names:
            sysctl.duplicate("name", name)
        names.append(name)
        if spec.get("hostNetwork") and name.startswith(("net.", "net/")):
            sysctl.invalid("name", name, "may not be specified when 'hostNetwork' is true")
        if spec.get("hostIPC") and name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")):
            sysctl.invalid("name", name, "may not be specified when 'hostIPC' is true")


def _profiles(context: Part) -> None:
    for field, kind in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if context.get(field) is None:
            continue
        profile = context.child(field)
        local = profile.get("localhostProfile")
        if profile.get("type") == "Localhost":
            profile.need("localhostProfile", detail=f"must be set when {kind} type is Localhost")
            if kind == "seccomp" and local and (local.startswith("/") or ".." in local.split("/")):
                wrong = "be a relative path" if local.startswith("/") else "not contain '..'"
                profile.invalid("localhostProfile", local, f"must {wrong}")
        elif local is not None:
            text = f"can only be set when {kind} type is Localhost"
            profile.invalid("localhostProfile", local, text)
        profile.need("type", detail="type is required when profile is set")
        if profile.get("type"):
            profile.choice("type", _PROFILES)


def validate_security(context: Part, host_users: bool) -> None:
    """A container's security context."""
    context.set_rule("runAsUser", user_id)
    context.set_rule("runAsGroup", user_id)
    context.choice("procMount", ["Default", "Unmasked"])
    if context.get("procMount") == "Unmasked" and host_users:
        text = "`hostUsers` must be false to use `Unmasked`"
        context.invalid("procMount", "Unmasked", text)
    _profiles(context)
    if context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            context.invalid("", context.obj, text + "`privileged` to true")
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            context.invalid("", context.obj, text + "`capabilities.Add` CAP_SYS_ADMIN")
