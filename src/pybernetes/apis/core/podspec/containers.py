# SPDX-License-Identifier: Apache-2.0
"""Containers of a pod spec, their probes and hooks, beyond the rows of data/rules.txt."""

from pybernetes.apimachinery.field import not_found
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.environment import validate_env
from pybernetes.apis.core.podspec.mounts import validate_devices, validate_mounts
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.validation.names import header_name, port_name
from pybernetes.apis.validation.part import Part

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NO_EPHEMERAL = (
    *("ports", *PROBES, "lifecycle"),
    *("resizePolicy", "restartPolicy", "restartPolicyRules", "resources"),
)


def validate_container(container: Part) -> None:
    """What is wrong with a container by itself."""
    names: list[str] = []
    for port in container.each("ports"):
        name = port.get("name")
        if name:
            if name in names and not port_name(name):
                port.duplicate("name", name)
            names.append(name)
    if container.get("env") or container.get("envFrom"):
        validate_env(container)


def validate_containers(spec: Part, volumes: dict[str, Object]) -> None:
    """What is wrong with the containers of a pod spec beside one another and in their pod.

    `volumes`: those that are fine, by name.
    """
    grace = spec.get("terminationGracePeriodSeconds")
    names: list[str] = []
    ports: list[str] = []
    for container in spec.each("containers"):
        _common(container, spec, volumes, names)
        validate_probes(container, grace)
        _host_ports(container, ports)
    for container in spec.each("initContainers"):
        _common(container, spec, volumes, names)
        _init(container, grace)
    targets = list(names)
    for container in spec.each("ephemeralContainers"):
        _common(container, spec, volumes, names)
        _ephemeral(container, targets)


def _common(container: Part, spec: Part, volumes: dict[str, Object], names: list[str]) -> None:
    get = container.get
    if get("volumeMounts"):
        validate_mounts(container, volumes)
    if get("volumeDevices"):
        validate_devices(container, volumes)
    if get("resources"):
        claims = [claim.get("name") for claim in spec.get("resourceClaims") or ()]
        validate_resources(container.child("resources"), claims=claims)
    if get("resizePolicy"):
        _resize(container, spec.get("restartPolicy"))
    unmasked = (get("securityContext") or {}).get("procMount") == "Unmasked"
    if unmasked and spec.get("hostUsers") is not False:
        text = "`hostUsers` must be false to use `Unmasked`"
        container.child("securityContext").invalid("procMount", "Unmasked", text)
    name = get("name")
    if name in names:
        container.duplicate("name", name)
    elif name:
        names.append(name)


def _host_ports(container: Part, used: list[str]) -> None:
    for port in container.each("ports"):
        if port.get("hostPort"):
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port.get('hostPort')}"
            if key in used:
                port.duplicate("hostPort", key)
            used.append(key)


def _resize(container: Part, restart_policy: str | None) -> None:
    policies = container.get("resizePolicy")
    container.unique("resizePolicy", [one.get("resourceName") or "" for one in policies])
    for policy in policies:
        restart = policy.get("restartPolicy") or ""
        container.choose("resizePolicy", policy.get("resourceName"), ["cpu", "memory"])
        container.choose("resizePolicy", restart, ["NotRequired", "RestartContainer"])
        if restart_policy == "Never" and restart != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            container.invalid("resizePolicy", restart, text)


def _init(container: Part, grace: int | None) -> None:
    _host_ports(container, [])
    if container.get("restartPolicy") == "Always":
        validate_probes(container, grace)
        return
    for name in ("lifecycle", *PROBES):
        if container.get(name) is not None:
            text = "may not be set for init containers without restartPolicy=Always"
            container.forbidden(name, text)
    for policy in container.each("resizePolicy"):
        if policy.get("restartPolicy") == "RestartContainer":
            text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            policy.invalid("restartPolicy", "RestartContainer", text)


def _ephemeral(container: Part, targets: list[str]) -> None:
    target = container.get("targetContainerName")
    if target and target not in targets:
        container.errors.append(not_found(container.path("targetContainerName"), target))
    text = "cannot be set for an Ephemeral Container"
    for name in _NO_EPHEMERAL:
        if container.get(name):
            container.forbidden(name, text)
    for mount in container.each("volumeMounts"):
        for name in ("subPath", "subPathExpr"):
            if mount.get(name):
                mount.forbidden(name, text)


def validate_probes(container: Part, grace: int | None) -> None:
    """What the probes and the lifecycle of a container may say beside the pod's grace period."""
    if container.get("lifecycle"):
        for name in ("postStart", "preStop"):
            _sleep(container.child("lifecycle").child(name), grace)
    for name in PROBES:
        if container.get(name) is None:
            continue
        probe = container.child(name)
        seconds, least = probe.get("terminationGracePeriodSeconds"), probe.get("successThreshold")
        if name == "readinessProbe":
            if seconds is not None:
                text = "must not be set for readinessProbes"
                probe.invalid("terminationGracePeriodSeconds", seconds, text)
        elif least != 1:
            probe.invalid("successThreshold", least or 0, "must be 1")


def _sleep(handler: Part, grace: int | None) -> None:
    if handler.get("sleep") is not None and grace is not None:
        seconds = handler.get("sleep").get("seconds") or 0
        if not 0 <= seconds <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            handler.invalid("sleep", seconds, text)


def validate_headers(action: Part) -> None:
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        action.wrong("httpHeaders", name, header_name(name))
