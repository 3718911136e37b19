# SPDX-License-Identifier: Apache-2.0
"""PodSpec and PodTemplateSpec: what is wrong with one, in upstream's paths and words.

The parts have files of their own: containers, volumes, mounts, probes, environment, resources,
security and affinity.
"""

from pybernetes.apis.core.podspec.affinity import validate_affinity, validate_spread
from pybernetes.apis.core.podspec.containers import RESTARTS, Around, validate_containers
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.core.podspec.security import validate_pod_security
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
from pybernetes.apis.validation.part import Part, Rule

_DNS = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
_NAMES: dict[str, Rule] = {
    "serviceAccountName": dns1123_subdomain,
    "nodeName": dns1123_subdomain,
    "hostname": dns1123_label,
    "subdomain": dns1123_label,
    "priorityClassName": dns1123_subdomain,
    "runtimeClassName": dns1123_subdomain,
}


def validate_pod_template(template: Part) -> None:
    metadata = Part(template.get("metadata"), template.at, template.errors)
    validate_labels(metadata, "labels")
    validate_annotations(metadata, "annotations")
    spec = template.child("spec")
    validate_pod_spec(spec)
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        spec.forbidden("ephemeralContainers", text)


def validate_pod_spec(spec: Part, *, pod_name: str = "", is_pod: bool = False) -> None:
    """`is_pod`: in a Pod, not in a template; `pod_name`: the Pod's."""
    get = spec.get
    grace = get("terminationGracePeriodSeconds")
    if grace is None:
        spec.required("terminationGracePeriodSeconds")
    around = Around(get("restartPolicy") or "", grace)
    if get("volumes"):
        around.volumes = validate_volumes(spec, pod_name)
    around.claims = [claim.get("name") for claim in get("resourceClaims") or ()]
    around.host_users = get("hostUsers") is not False
    validate_containers(spec, around)
    if get("hostNetwork"):
        _host_network(spec, is_pod=is_pod)
    spec.need_choice("restartPolicy", RESTARTS)
    spec.need_choice("dnsPolicy", _DNS)
    if get("securityContext"):
        validate_pod_security(spec.child("securityContext"), spec.obj)
    for field, rule in _NAMES.items():
        if get(field):
            spec.rule(field, rule)
    _where(spec)
    _host(spec)


def _where(spec: Part) -> None:
    """What decides where and when a pod runs."""
    get = spec.get
    if get("os") is not None:
        spec.child("os").need("name")
        name = get("os").get("name")
        if name and name not in {"linux", "windows"}:
            spec.unsupported("os", name, ["linux", "windows"])
    seconds = get("activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= 2147483647:
        spec.invalid("activeDeadlineSeconds", seconds, in_range(1, 2147483647))
    spec.choice("preemptionPolicy", ["Never", "PreemptLowerPriority"])
    validate_labels(spec, "nodeSelector")
    if get("affinity"):
        validate_affinity(spec.child("affinity"))
    for gate in spec.each("readinessGates"):
        gate.any_rule("conditionType", qualified_name)
    if get("schedulingGates"):
        names = [gate.get("name") or "" for gate in get("schedulingGates")]
        spec.unique("schedulingGates", names)
        for number, name in enumerate(names):
            spec.wrong(f"schedulingGates[{number}]", name, qualified_name(name))
    validate_spread(spec, "topologySpreadConstraints")
    validate_tolerations(spec)
    _amounts(spec)


def _amounts(spec: Part) -> None:
    if spec.get("overhead"):
        overhead = Part({"limits": spec.get("overhead")}, spec.path("overhead"), spec.errors)
        validate_resources(overhead)
    if spec.get("resources"):
        resources = spec.child("resources")
        if resources.get("claims") is not None:
            text = "claims may not be set for Resources at pod-level"
            resources.forbidden("claims", text)
        validate_resources(resources, pod_level=True)


def _host(spec: Part) -> None:
    """What a pod shares with its host, and how it is called there."""
    get = spec.get
    if get("hostUsers") is False:
        for field, name in (("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if get(field):
                spec.forbidden(name, "when `hostUsers` is false")
    if get("dnsConfig") is not None or get("dnsPolicy") == "None":
        _dns(spec)
    if get("shareProcessNamespace") and get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        spec.invalid("shareProcessNamespace", True, text)
    spec.set_rule("hostnameOverride", dns1123_subdomain)
    if get("hostnameOverride") is not None and get("hostNetwork"):
        text = "may not be specified when hostNetwork is true"
        spec.invalid("hostnameOverride", get("hostnameOverride"), text)
    for alias in spec.each("hostAliases"):
        alias.errors.extend(validate_ip(alias.get("ip") or "", alias.path("ip")))
        alias.list_rule("hostnames", dns1123_subdomain)


def _host_network(spec: Part, *, is_pod: bool) -> None:
    for container in spec.each("containers"):
        for port in container.each("ports"):
            host = port.get("hostPort") or 0
            if (is_pod or host) and host != port.get("containerPort"):
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
    for number, server in enumerate(servers):
        config.errors.extend(validate_ip(server, config.path(f"nameservers[{number}]")))
    _searches(config, config.get("searches") or [])
    for option in config.each("options"):
        if not option.get("name"):
            option.required("", "must not be empty")


def _searches(config: Part, searches: list[str]) -> None:
    if len(searches) > 32:
        config.invalid("searches", searches, "must not have more than 32 search paths")
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        config.invalid("searches", searches, text)
    config.list_rule("searches", _search)


def _search(name: str) -> list[str]:
    return [] if name == "." else dns1123_subdomain(name.removesuffix(".").replace("_", "a"))[:1]
