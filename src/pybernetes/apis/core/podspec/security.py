# SPDX-License-Identifier: Apache-2.0
"""Security contexts of pods and containers, beyond the rows of data/rules.txt."""

import re

from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.part import Part

_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match


def validate_sysctls(context: Part, spec: Object) -> None:
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


def local_profile(path: str) -> list[str]:
    if path.startswith("/"):
        return ["must be a relative path"]
    return ["must not contain '..'"] if ".." in path.split("/") else []


def validate_security(context: Part) -> None:
    """A container's security context."""
    added = (context.get("capabilities") or {}).get("add") or ()
    if context.get("allowPrivilegeEscalation") is False and "CAP_SYS_ADMIN" in added:
        text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        context.invalid("", context.obj, text)
