# SPDX-License-Identifier: Apache-2.0
"""A container's environment: services, envFrom, env with valueFrom, and $(VAR) expansion."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.kubelet import naming
from pybernetes.kubelet.containers import fieldpath
from pybernetes.kubelet.objects import Lookup, look_up
from pybernetes.linux import paths

_MAX_FILE = 1 << 20
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class ConfigError(Exception):
    """The container cannot be configured (upstream's CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment depends on beside the pod. `lookup(gvr, namespace, name)` gets objects."""

    lookup: Lookup
    services: Sequence[Object] = ()  # of the pod's namespace, and default/kubernetes
    volumes: Mapping[str, Path] = field(default_factory=dict)  # by name
    node_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] | None = None


def expand(text: str, *scopes: Mapping[str, str]) -> str:
    """Replace $(NAME) by the first scope that has it; $$ is $; unknown references stay."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return next((scope[match[1]] for scope in scopes if match[1] in scope), match[0])

    return _REFERENCE.sub(value, text)


async def environment(pod: Object, container: Object, around: Surroundings) -> dict[str, str]:
    """The variables, in upstream's order. Raises ConfigError."""
    services: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks", True) is not False:
        services = service_variables(around.services)
    else:
        services = service_variables(
            item for item in around.services if naming.key(item) == ("default", "kubernetes")
        )
    result: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        result |= await _env_from(pod, source, around)
    values: dict[str, str] = {}
    for variable in container.get("env", ()):
        text = variable.get("value") or ""
        if text:
            text = expand(text, values, services)
        elif variable.get("valueFrom"):
            found = await _value_from(pod, container, variable, around)
            if found is None:
                continue
            text = found
        values[variable["name"]] = text
    result |= values
    return result | {name: text for name, text in services.items() if name not in result}


async def _env_from(pod: Object, source: Object, around: Surroundings) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    gvr, reference = naming.CONFIG_MAPS, source.get("configMapRef")
    if reference is None:
        gvr, reference = naming.SECRETS, source.get("secretRef") or {}
    found = await _get(gvr, pod, reference, around)
    return {prefix + key: text for key, text in texts_of(found).items()}


def texts_of(obj: Object) -> dict[str, str]:
    """The keys of a ConfigMap or Secret as texts."""
    data: Mapping[str, str] = obj.get("data") or {}
    if obj.get("kind") == "Secret":
        return {
            key: base64.b64decode(text or "").decode(errors="replace")
            for key, text in sorted(data.items())
        }
    return {key: data[key] for key in sorted(data)}


async def _get(gvr: GVR, pod: Object, reference: Object, around: Surroundings) -> Object:
    what, optional = (gvr, reference.get("name", "")), bool(reference.get("optional"))
    return await look_up(around.lookup, pod, what, (ConfigError, optional))


async def _value_from(
    pod: Object, container: Object, variable: Object, around: Surroundings
) -> str | None:
    """The text; None: an optional reference to something that is not there."""
    source = variable["valueFrom"]
    if "fieldRef" in source or "resourceFieldRef" in source:
        ips = around.node_ips, around.pod_ips
        try:
            return fieldpath.value(pod, source, ips, around.allocatable or {}, own=container)
        except fieldpath.FieldError as error:
            raise ConfigError(str(error)) from error
    for name, gvr, kind in (
        ("configMapKeyRef", naming.CONFIG_MAPS, "ConfigMap"),
        ("secretKeyRef", naming.SECRETS, "Secret"),
    ):
        if name in source:
            return await _key(pod, (gvr, kind), source[name], around)
    if "fileKeyRef" in source:
        return _file_key(source["fileKeyRef"], around.volumes)
    raise ConfigError(f"env {variable['name']}: unsupported valueFrom: {', '.join(source)}")


_LINE = re.compile(
    r"[ \t]*(?:#[^\n]*|(?P<name>[^=\n]*[^=\s])=(?:[ \t][^\n]*|'(?P<value>[^']*)'[ \t]*(?:#[^\n]*)?))?"
    r"(?:\n|\Z)"
)


def _file_key(selector: Object, volumes: Mapping[str, Path]) -> str | None:
    """A variable of a file that an init container has written (upstream's strict form: K='v')."""
    volume, key = volumes.get(selector["volumeName"]), selector["key"]
    if volume is None:
        name = selector["volumeName"]
        raise ConfigError(f'cannot find the volume "{name}" referenced by FileKeyRef')
    try:
        text = paths.read_inside(volume, selector["path"], _MAX_FILE).decode()
    except (OSError, ValueError) as error:
        raise ConfigError("couldn't parse env file") from error
    value, at = "", 0
    while at < len(text) and not value:
        match = _LINE.match(text, at)
        if match is None:
            raise ConfigError("couldn't parse env file")
        value, at = (match["value"] or "") if match["name"] == key else "", match.end()
    if not value and not selector.get("optional"):
        where = volume / selector["path"]
        raise ConfigError(f'environment variable key "{key}" not found in file "{where}"')
    return value or None


async def _key(
    pod: Object, what: tuple[GVR, str], selector: Object, around: Surroundings
) -> str | None:
    gvr, kind = what
    found = await _get(gvr, pod, selector, around)
    values = texts_of(found)
    if selector["key"] in values:
        return values[selector["key"]]
    if selector.get("optional"):
        return None
    where = f"{pod['metadata']['namespace']}/{selector.get('name', '')}"
    raise ConfigError(f"couldn't find key {selector['key']} in {kind} {where}")


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """The variables of services that have a cluster IP (Docker links included)."""
    result: dict[str, str] = {}
    for service in services:
        spec = service.get("spec") or {}
        address, ports = spec.get("clusterIP"), spec.get("ports") or ()
        if not address or address == "None" or not ports:
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        result[f"{name}_SERVICE_HOST"] = address
        result[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                suffix = port["name"].upper().replace("-", "_")
                result[f"{name}_SERVICE_PORT_{suffix}"] = str(port["port"])
        shown = f"[{address}]" if ":" in address else address
        for index, port in enumerate(ports):
            protocol, number = port.get("protocol") or "TCP", port["port"]
            url = f"{protocol.lower()}://{shown}:{number}"
            prefix = f"{name}_PORT_{number}_{protocol.upper()}"
            if index == 0:
                result[f"{name}_PORT"] = url
            result[prefix] = url
            result[f"{prefix}_PROTO"] = protocol.lower()
            result[f"{prefix}_PORT"] = str(number)
            result[f"{prefix}_ADDR"] = address
    return result
