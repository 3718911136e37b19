# SPDX-License-Identifier: Apache-2.0
"""PodSpec and PodTemplateSpec: what is wrong with one, beyond the rows of data/rules.txt.

The parts have files of their own: containers, volumes, mounts, environment, resources
and affinity.
"""

import re

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.affinity import validate_spread
from pybernetes.apis.core.podspec.containers import validate_containers
from pybernetes.apis.core.podspec.volumes import validate_volumes
from pybernetes.apis.validation.meta import validate_annotations, validate_labels
from pybernetes.apis.validation.names import dns1123_subdomain, qualified_name
from pybernetes.apis.validation.part import Part

_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match


def validate_pod_template(template: Part) -> None:
    metadata = Part(template.get("metadata"), template.at, template.errors)
    validate_labels(metadata, "labels")
    validate_annotations(metadata, "annotations")
    if (template.get("spec") or {}).get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        template.forbidden("spec.ephemeralContainers", text)


def validate_pod_spec(spec: Part) -> None:
    """After the rows: what the parts of a pod spec are to one another."""
    get = spec.get
    validate_containers(spec, validate_volumes(spec) if get("volumes") else {})
    if get("hostNetwork"):
        _host_network(spec)
    if (get("securityContext") or {}).get("sysctls"):
        validate_sysctls(spec.child("securityContext"), spec.obj)
    system = (get("os") or {}).get("name")
    if system and system not in {"linux", "windows"}:
        spec.unsupported("os", system, ["linux", "windows"])
    if get("schedulingGates"):
        names = [gate.get("name") or "" for gate in get("schedulingGates")]
        spec.unique("schedulingGates", names)
        for number, name in enumerate(names):
            spec.wrong(f"schedulingGates[{number}]", name, qualified_name(name))
    validate_spread(spec, "topologySpreadConstraints")
    _host(spec)


def _host(spec: Part) -> None:
    """What a pod shares with its host, and how it is called there."""
    get = spec.get
    if get("hostUsers") is False:
        for field, name in (("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if get(field):
                spec.forbidden(name, "when `hostUsers` is false")
    if get("dnsConfig") is not None or get("dnsPolicy") == "None":
        _dns(spec)


def _host_network(spec: Part) -> None:
    for container in spec.each("containers"):
        for port in container.each("ports"):
            host = port.get("hostPort") or 0
            if host and host != port.get("containerPort"):
                text = "must match `containerPort` when `hostNetwork` is true"
                port.invalid("hostPort", host, text)


def _dns(spec: Part) -> None:
    config = spec.child("dnsConfig")
    servers = config.get("nameservers") or []
    if spec.get("dnsPolicy") == "None":
        if spec.get("dnsConfig") is None:
            spec.required("dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not servers:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            config.required("nameservers", text)
            return
    if len(servers) > 3:
        config.invalid("nameservers", servers, "must not have more than 3 nameservers")
    _searches(config, config.get("searches") or [])


def _searches(config: Part, searches: list[str]) -> None:
    if len(searches) > 32:
        config.invalid("searches", searches, "must not have more than 32 search paths")
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        config.invalid("searches", searches, text)
    config.list_rule("searches", _search)


def _search(name: str) -> list[str]:
    return [] if name == "." else dns1123_subdomain(name.removesuffix(".").replace("_", "a"))[:1]


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
