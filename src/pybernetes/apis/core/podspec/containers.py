# SPDX-License-Identifier: Apache-2.0
"""Containers of a pod spec: regular, init and ephemeral ones."""

from collections.abc import Collection
from dataclasses import dataclass, field

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_many,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.environment import validate_env, validate_env_from
from pybernetes.apis.core.podspec.mounts import validate_devices, validate_mounts
from pybernetes.apis.core.podspec.probes import PROBES, validate_probes
from pybernetes.apis.core.podspec.resources import validate_resources
from pybernetes.apis.core.podspec.security import validate_security
from pybernetes.apis.validation.names import dns1123_label, port_name, port_number

_MESSAGES = ["FallbackToLogsOnError", "File"]
_PULL_POLICIES = ["Always", "IfNotPresent", "Never"]
_PROTOCOLS = ["SCTP", "TCP", "UDP"]
_RESTARTS = ["Always", "Never", "OnFailure"]
_NO_EPHEMERAL = (
    "ports",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
)


@dataclass(slots=True)
class Around:
    """What a container's findings depend on beyond itself."""

    restart_policy: str
    grace: int | None
    volumes: dict[str, Object] = field(default_factory=dict)
    claims: Collection[str] = ()
    host_users: bool = True


def validate_containers(spec: Object, around: Around, at: str, errors: Errors) -> None:
    """All containers of a pod spec; `at` is the spec's path."""
    names: list[str] = []
    regular = spec.get("containers") or ()
    if not regular:
        errors.append(required(f"{at}.containers"))
    ports: list[str] = []
    for number, container in enumerate(regular):
        path = f"{at}.containers[{number}]"
        _common(container, around, path, errors)
        _unique(container, names, path, errors)
        validate_probes(container, around.grace, path, errors)
        _restart(container, path, errors)
        if container.get("ports"):
            _host_ports(container["ports"], ports, path, errors)
    for number, container in enumerate(spec.get("initContainers") or ()):
        path = f"{at}.initContainers[{number}]"
        _common(container, around, path, errors)
        _unique(container, names, path, errors)
        _init(container, around, path, errors)
    if spec.get("ephemeralContainers"):
        targets = list(names)
        for number, container in enumerate(spec["ephemeralContainers"]):
            path = f"{at}.ephemeralContainers[{number}]"
            _common(container, around, path, errors)
            _unique(container, names, path, errors)
            _ephemeral(container, targets, path, errors)


def _unique(container: Object, names: list[str], at: str, errors: Errors) -> None:
    name = container.get("name") or ""
    if name in names:
        errors.append(duplicate(f"{at}.name", name))
    elif name:
        names.append(name)


def _common(container: Object, around: Around, at: str, errors: Errors) -> None:
    get = container.get
    name = get("name") or ""
    if not name:
        errors.append(required(f"{at}.name"))
    else:
        errors.extend(invalid(f"{at}.name", name, text) for text in dns1123_label(name))
    if not get("image"):
        errors.append(required(f"{at}.image"))
    _choice(get("terminationMessagePolicy"), _MESSAGES, f"{at}.terminationMessagePolicy", errors)
    _choice(get("imagePullPolicy"), _PULL_POLICIES, f"{at}.imagePullPolicy", errors)
    if get("ports"):
        _ports(container["ports"], f"{at}.ports", errors)
    if get("env"):
        validate_env(container["env"], f"{at}.env", errors)
    if get("envFrom"):
        validate_env_from(container["envFrom"], f"{at}.envFrom", errors)
    if get("volumeMounts"):
        validate_mounts(container, around.volumes, f"{at}.volumeMounts", errors)
    if get("volumeDevices"):
        validate_devices(container, around.volumes, f"{at}.volumeDevices", errors)
    if get("resources"):
        path = f"{at}.resources"
        validate_resources(container["resources"], path, errors, claims=around.claims)
    _rest(container, around, at, errors)


def _rest(container: Object, around: Around, at: str, errors: Errors) -> None:
    if container.get("resizePolicy"):
        path = f"{at}.resizePolicy"
        _resize(container["resizePolicy"], around.restart_policy, path, errors)
    if container.get("securityContext"):
        path = f"{at}.securityContext"
        validate_security(container["securityContext"], around.host_users, path, errors)


def _choice(value: str | None, known: list[str], at: str, errors: Errors) -> None:
    if value not in known:
        errors.append(not_supported(at, value, known) if value else required(at))


def _ports(ports: list[Object], at: str, errors: Errors) -> None:
    names: list[str] = []
    for number, port in enumerate(ports):
        path, name = f"{at}[{number}]", port.get("name") or ""
        if name:
            wrong = port_name(name)
            errors.extend(invalid(f"{path}.name", name, text) for text in wrong)
            if name in names and not wrong:
                errors.append(duplicate(f"{path}.name", name))
            names.append(name)
        target, host = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not target:
            errors.append(required(f"{path}.containerPort"))
        else:
            wrong = port_number(target)
            errors.extend(invalid(f"{path}.containerPort", target, text) for text in wrong)
        if host:
            errors.extend(invalid(f"{path}.hostPort", host, text) for text in port_number(host))
        _choice(port.get("protocol"), _PROTOCOLS, f"{path}.protocol", errors)


def _host_ports(ports: list[Object], used: list[str], at: str, errors: Errors) -> None:
    for number, port in enumerate(ports):
        if port.get("hostPort"):
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in used:
                errors.append(duplicate(f"{at}.ports[{number}].hostPort", key))
            used.append(key)


def _resize(policies: list[Object], restart_policy: str, at: str, errors: Errors) -> None:
    seen: list[str] = []
    for number, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            errors.append(duplicate(f"{at}[{number}]", name))
        seen.append(name)
        _choice(name, ["cpu", "memory"], at, errors)
        _choice(restart, ["NotRequired", "RestartContainer"], at, errors)
        if restart_policy == "Never" and restart != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(at, restart, text))


def _restart(container: Object, at: str, errors: Errors) -> None:
    """restartPolicy and restartPolicyRules of one container."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            text = "must specify restartPolicy when restart rules are used"
            errors.append(required(f"{at}.restartPolicy", text))
    elif policy not in _RESTARTS:
        errors.append(not_supported(f"{at}.restartPolicy", policy, _RESTARTS))
    if len(rules) > 20:
        errors.append(too_many(f"{at}.restartPolicyRules", len(rules), 20))
    for number, rule in enumerate(rules):
        _restart_rule(rule, f"{at}.restartPolicyRules[{number}]", errors)


def _restart_rule(rule: Object, at: str, errors: Errors) -> None:
    actions = ["Restart", "RestartAllContainers"]
    if rule.get("action") not in actions:
        errors.append(not_supported(f"{at}.action", rule.get("action"), actions))
    codes = rule.get("exitCodes")
    if codes is None:
        errors.append(required(f"{at}.exitCodes", "must be specified"))
        return
    if codes.get("operator") not in {"In", "NotIn"}:
        operator = codes.get("operator")
        errors.append(not_supported(f"{at}.exitCodes.operator", operator, ["In", "NotIn"]))
    if len(codes.get("values") or ()) > 255:
        errors.append(too_many(f"{at}.exitCodes.values", len(codes["values"]), 255))


def _init(container: Object, around: Around, at: str, errors: Errors) -> None:
    _restart(container, at, errors)
    if container.get("ports"):
        _host_ports(container["ports"], [], at, errors)
    if container.get("restartPolicy") == "Always":
        validate_probes(container, around.grace, at, errors)
        return
    for name in ("lifecycle", *PROBES):
        if container.get(name) is not None:
            text = "may not be set for init containers without restartPolicy=Always"
            errors.append(forbidden(f"{at}.{name}", text))
    for number, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            path = f"{at}.resizePolicy[{number}].restartPolicy"
            text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            errors.append(invalid(path, "RestartContainer", text))


def _ephemeral(container: Object, targets: list[str], at: str, errors: Errors) -> None:
    target = container.get("targetContainerName")
    if target and target not in targets:
        errors.append(not_found(f"{at}.targetContainerName", target))
    text = "cannot be set for an Ephemeral Container"
    for name in _NO_EPHEMERAL:
        if container.get(name):
            errors.append(forbidden(f"{at}.{name}", text))
    if container.get("resources"):
        errors.append(forbidden(f"{at}.resources", text))
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        for name in ("subPath", "subPathExpr"):
            if mount.get(name):
                errors.append(forbidden(f"{at}.volumeMounts[{number}].{name}", text))
