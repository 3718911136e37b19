# SPDX-License-Identifier: Apache-2.0
"""PodSpec and PodTemplateSpec: what is wrong with one, in upstream's paths and words.

The parts have files of their own: containers, volumes, mounts, probes, environment, resources,
security and affinity. Paths are plain text, built per container at most, so that a pod without
findings costs little.
"""

from collections.abc import Callable
from typing import Any

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.affinity import validate_affinity, validate_spread
from pybernetes.apis.core.podspec.containers import Around, validate_containers
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.core.podspec.security import validate_host_users, validate_pod_security
from pybernetes.apis.core.podspec.volumes import validate_volumes
from pybernetes.apis.core.taints import validate_tolerations
from pybernetes.apis.validation.addresses import validate_ip
from pybernetes.apis.validation.meta import validate_annotations, validate_labels
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    in_range,
    qualified_name,
)

_RESTARTS = ["Always", "Never", "OnFailure"]
_DNS = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
_NAMES: dict[str, Callable[[str], list[str]]] = {
    "serviceAccountName": dns1123_subdomain,
    "nodeName": dns1123_subdomain,
    "hostname": dns1123_label,
    "subdomain": dns1123_label,
    "priorityClassName": dns1123_subdomain,
    "runtimeClassName": dns1123_subdomain,
}


def validate_pod_template(template: Object, at: str, errors: Errors) -> None:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    if metadata.get("labels"):
        validate_labels(metadata["labels"], f"{at}.labels", errors)
    if metadata.get("annotations"):
        validate_annotations(metadata["annotations"], f"{at}.annotations", errors)
    validate_pod_spec(spec, f"{at}.spec", errors)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{at}.spec.ephemeralContainers", text))


def validate_pod_spec(
    spec: Object, at: str, errors: Errors, *, pod_name: str = "", is_pod: bool = False
) -> None:
    """`is_pod`: in a Pod, not in a template; `pod_name`: the Pod's."""
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        errors.append(required(f"{at}.terminationGracePeriodSeconds"))
    around = Around(spec.get("restartPolicy") or "", grace)
    if spec.get("volumes"):
        around.volumes = validate_volumes(spec["volumes"], f"{at}.volumes", errors, pod_name)
    around.claims = [claim.get("name") for claim in spec.get("resourceClaims") or ()]
    around.host_users = spec.get("hostUsers") is not False
    validate_containers(spec, around, at, errors)
    if spec.get("hostNetwork"):
        _host_network(spec, at, errors, is_pod=is_pod)
    _choice(spec.get("restartPolicy"), _RESTARTS, f"{at}.restartPolicy", errors)
    _choice(spec.get("dnsPolicy"), _DNS, f"{at}.dnsPolicy", errors)
    if spec.get("securityContext"):
        path = f"{at}.securityContext"
        validate_pod_security(spec["securityContext"], spec, path, errors)
    _names(spec, at, errors)
    for field, check in _PARTS.items():
        if spec.get(field):
            check(spec[field], f"{at}.{field}", errors)
    _related(spec, at, errors)


def _choice(value: str | None, known: list[str], at: str, errors: Errors) -> None:
    if value not in known:
        errors.append(not_supported(at, value, known) if value else required(at))


def _names(spec: Object, at: str, errors: Errors) -> None:
    for field, rule in _NAMES.items():
        value = spec.get(field)
        if value:
            errors.extend(invalid(f"{at}.{field}", value, text) for text in rule(value))
    seconds = spec.get("activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= 2147483647:
        errors.append(invalid(f"{at}.activeDeadlineSeconds", seconds, in_range(1, 2147483647)))
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in {"PreemptLowerPriority", "Never"}:
        known = ["Never", "PreemptLowerPriority"]
        errors.append(not_supported(f"{at}.preemptionPolicy", policy, known))


def _related(spec: Object, at: str, errors: Errors) -> None:
    """Fields that depend on one another."""
    validate_host_users(spec, at, errors)
    if spec.get("dnsConfig") is not None or spec.get("dnsPolicy") == "None":
        _dns(spec, f"{at}.dnsConfig", errors)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(f"{at}.shareProcessNamespace", True, text))
    if spec.get("os") is not None:
        _os(spec["os"], f"{at}.os", errors)
    override = spec.get("hostnameOverride")
    if override is not None:
        path = f"{at}.hostnameOverride"
        errors.extend(invalid(path, override, text) for text in dns1123_subdomain(override))
        if spec.get("hostNetwork"):
            text = "may not be specified when hostNetwork is true"
            errors.append(invalid(path, override, text))


def _os(os: Object, at: str, errors: Errors) -> None:
    name = os.get("name")
    if not name:
        errors.append(required(f"{at}.name"))
    elif name not in {"linux", "windows"}:
        errors.append(not_supported(at, name, ["linux", "windows"]))


def _host_network(spec: Object, at: str, errors: Errors, *, is_pod: bool) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort") or 0
            if (is_pod or host) and host != port.get("containerPort"):
                path = f"{at}.containers[{index}].ports[{number}].hostPort"
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid(path, host, text))


def _dns(spec: Object, at: str, errors: Errors) -> None:
    config = spec.get("dnsConfig")
    servers, searches = (
        (config or {}).get("nameservers") or [],
        (config or {}).get("searches") or [],
    )
    if spec.get("dnsPolicy") == "None":
        if config is None:
            errors.append(required(at, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not servers:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{at}.nameservers", text))
            return
    if len(servers) > 3:
        text = "must not have more than 3 nameservers"
        errors.append(invalid(f"{at}.nameservers", servers, text))
    for number, server in enumerate(servers):
        errors.extend(validate_ip(server, f"{at}.nameservers[{number}]"))
    _searches(searches, f"{at}.searches", errors)
    for number, option in enumerate((config or {}).get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{at}.options[{number}]", "must not be empty"))


def _searches(searches: list[str], at: str, errors: Errors) -> None:
    if len(searches) > 32:
        errors.append(invalid(at, searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        errors.append(invalid(at, searches, text))
    for number, search in enumerate(searches):
        name = search.removesuffix(".").replace("_", "a")
        if search != "." and (wrong := dns1123_subdomain(name)):
            errors.append(invalid(f"{at}[{number}]", search, wrong[0]))


def _gates(gates: list[Object], at: str, errors: Errors) -> None:
    seen: list[str] = []
    for number, gate in enumerate(gates):
        name = gate.get("name") or ""
        errors.extend(invalid(f"{at}[{number}]", name, text) for text in qualified_name(name))
        if name in seen:
            errors.append(duplicate(f"{at}[{number}]", name))
        seen.append(name)


def _readiness(gates: list[Object], at: str, errors: Errors) -> None:
    for number, gate in enumerate(gates):
        name, path = gate.get("conditionType") or "", f"{at}[{number}].conditionType"
        errors.extend(invalid(path, name, text) for text in qualified_name(name))


def _host_aliases(aliases: list[Object], at: str, errors: Errors) -> None:
    for number, alias in enumerate(aliases):
        errors.extend(validate_ip(alias.get("ip") or "", f"{at}[{number}].ip"))
        for index, name in enumerate(alias.get("hostnames") or ()):
            path = f"{at}[{number}].hostnames[{index}]"
            errors.extend(invalid(path, name, text) for text in dns1123_subdomain(name))


def _overhead(overhead: dict[str, str], at: str, errors: Errors) -> None:
    validate_resources({"limits": overhead}, at, errors)


def _pod_level(resources: Object, at: str, errors: Errors) -> None:
    if resources.get("claims") is not None:
        text = "claims may not be set for Resources at pod-level"
        errors.append(forbidden(f"{at}.claims", text))
    validate_resources({**resources, "claims": None}, at, errors, pod_level=True)


_PARTS: dict[str, Callable[[Any, str, Errors], None]] = {
    "nodeSelector": validate_labels,
    "affinity": validate_affinity,
    "readinessGates": _readiness,
    "schedulingGates": _gates,
    "topologySpreadConstraints": validate_spread,
    "tolerations": validate_tolerations,
    "hostAliases": _host_aliases,
    "overhead": _overhead,
    "resources": _pod_level,
}
