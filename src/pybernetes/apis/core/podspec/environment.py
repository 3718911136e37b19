# SPDX-License-Identifier: Apache-2.0
"""Environment variables of containers, and the references to fields that they and volumes use."""

import re

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import (
    config_key,
    dns1123_label,
    env_name,
    qualified_name,
)

ENV_FIELDS = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
]
VOLUME_FIELDS = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
]
_RESOURCES = [
    f"{kind}.{name}"
    for kind in ("limits", "requests")
    for name in ("cpu", "ephemeral-storage", "memory")
]
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_KNOWN_FIELDS = frozenset([*ENV_FIELDS, *VOLUME_FIELDS, "spec.host", "spec.restartPolicy"])
_SUBSCRIPT = re.compile(r"(.*)\['(.*)'\]", re.DOTALL).fullmatch
_ONE_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` "
    "or `fileKeyRef`"
)
_ONE_FIELD = "may not have more than one field specified at a time"


def validate_env(variables: list[Object], at: str, errors: Errors) -> None:
    for number, variable in enumerate(variables):
        name = variable.get("name") or ""
        if not name:
            errors.append(required(f"{at}[{number}].name"))
        else:
            for text in env_name(name):
                errors.append(invalid(f"{at}[{number}].name", name, text))
        if variable.get("valueFrom") is not None:
            _value_from(variable, f"{at}[{number}].valueFrom", errors)


def _value_from(variable: Object, at: str, errors: Errors) -> None:
    source = variable["valueFrom"]
    used = [name for name in _SOURCES if source.get(name) is not None]
    for name in used:
        _SOURCES[name](source[name], f"{at}.{name}", errors)
    if not used:
        errors.append(invalid(at, "", _ONE_SOURCE))
    elif variable.get("value"):
        errors.append(invalid(at, "", "may not be specified when `value` is not empty"))
    elif len(used) > 1:
        errors.append(invalid(at, "", _ONE_FIELD))


def _field_ref(reference: Object, at: str, errors: Errors) -> None:
    validate_field_ref(reference, ENV_FIELDS, at, errors)


def validate_field_ref(reference: Object, known: list[str], at: str, errors: Errors) -> None:
    """A fieldRef, as variables and volumes have; `known` are the paths that it may name."""
    path = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        errors.append(required(f"{at}.apiVersion"))
        return
    if not path:
        errors.append(required(f"{at}.fieldPath"))
        return
    subscript = _SUBSCRIPT(path)
    if subscript:
        base, key = subscript.groups()
        if base not in {"metadata.annotations", "metadata.labels"}:
            errors.append(invalid(at, base, "does not support subscript"))
            return
        key = key.lower() if base == "metadata.annotations" else key
        errors.extend(invalid(at, key, text) for text in qualified_name(key))
    elif path not in known:
        if path in _KNOWN_FIELDS:
            errors.append(not_supported(f"{at}.fieldPath", path, known))
        else:
            text = f"error converting fieldPath: field label not supported: {path}"
            errors.append(invalid(f"{at}.fieldPath", path, text))


def _resource_ref(reference: Object, at: str, errors: Errors) -> None:
    validate_resource_ref(reference, at, errors)


def validate_resource_ref(
    reference: Object, at: str, errors: Errors, *, volume: bool = False
) -> None:
    """A resourceFieldRef; in volumes it must name the container."""
    resource = reference.get("resource") or ""
    if volume and not reference.get("containerName"):
        errors.append(required(f"{at}.containerName"))
    elif not resource:
        errors.append(required(f"{at}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(f"{at}.resource", resource, _RESOURCES))
    divisor = str(reference.get("divisor") or "0")
    allowed = _divisors(resource)
    if divisor != "0" and divisor not in allowed:
        what = resource.partition(".")[2].partition("-")[0]
        text = f"only divisor's values {_listed(allowed)} are supported with the {what} resource"
        errors.append(invalid(f"{at}.divisor", divisor, text))


_SIZES = ["1", "1E", "1Ei", "1G", "1Gi", "1K", "1Ki", "1M", "1Mi", "1P", "1Pi", "1T", "1Ti", "1k"]


def _divisors(resource: str) -> list[str]:
    return ["1", "1m"] if resource.endswith(".cpu") else _SIZES


def _listed(values: list[str]) -> str:
    return " and ".join(values) if len(values) == 2 else ", ".join(values)


def _config_map_key(reference: Object, at: str, errors: Errors) -> None:
    if not reference.get("name"):
        errors.append(required(f"{at}.name"))
    key = reference.get("key") or ""
    if not key:
        errors.append(required(f"{at}.key"))
    else:
        errors.extend(invalid(f"{at}.key", key, text) for text in config_key(key))


def _file_key(reference: Object, at: str, errors: Errors) -> None:
    for field, rule in (("key", env_name), ("volumeName", dns1123_label)):
        value = reference.get(field) or ""
        if not value:
            errors.append(required(f"{at}.{field}"))
        else:
            errors.extend(invalid(f"{at}.{field}", value, text) for text in rule(value))
    path = reference.get("path") or ""
    if not path:
        errors.append(required(f"{at}.path"))
    elif ".." in path.split("/"):
        errors.append(invalid(f"{at}.path", path, "must not contain '..'"))


_SOURCES = {
    "fieldRef": _field_ref,
    "resourceFieldRef": _resource_ref,
    "configMapKeyRef": _config_map_key,
    "secretKeyRef": _config_map_key,
    "fileKeyRef": _file_key,
}


def validate_env_from(sources: list[Object], at: str, errors: Errors) -> None:
    for number, source in enumerate(sources):
        prefix = source.get("prefix") or ""
        for text in env_name(prefix) if prefix else ():
            errors.append(invalid(f"{at}[{number}].prefix", prefix, text))
        used = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in used:
            if not source[name].get("name"):
                errors.append(required(f"{at}[{number}].{name}.name"))
        if not used:
            text = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(invalid(at, "", text))
        elif len(used) > 1:
            errors.append(invalid(at, "", _ONE_FIELD))
