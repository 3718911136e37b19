# SPDX-License-Identifier: Apache-2.0
"""Ingress: which host and path leads to which service."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional
from pybernetes.apis.core.servicevalidation import validate_ingress_host
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_ip
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    path_segment,
    port_name,
    port_number,
    wildcard_subdomain,
)

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"]
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


def _validate(ingress: Object) -> Errors:
    errors: Errors = []
    spec = ingress.get("spec") or {}
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or []
    if backend is None and not rules:
        text = "either `defaultBackend` or `rules` must be specified"
        errors.append(invalid("spec", rules, text))
    if backend is not None:
        _backend(backend, "spec.defaultBackend", errors)
    for number, rule in enumerate(rules):
        _rule(rule, f"spec.rules[{number}]", errors)
    for number, tls in enumerate(spec.get("tls") or ()):
        _tls(tls, f"spec.tls[{number}]", errors)
    class_ = spec.get("ingressClassName")
    wrong = dns1123_subdomain(class_) if class_ is not None else ()
    errors.extend(invalid("spec.ingressClassName", class_, text) for text in wrong)
    return errors


def _validate_create(ingress: Object) -> Errors:
    errors = _validate(ingress)
    old = meta.annotations(ingress).get(CLASS_ANNOTATION)
    class_ = look(ingress, "spec", "ingressClassName")
    if old is not None and class_ is not None and old != class_:
        text = "must match `ingressClassName` when both are specified"
        errors.append(invalid(f"annotations.{CLASS_ANNOTATION}", old, text))
    return errors


def _host(host: str, at: str, errors: Errors) -> None:
    rule = wildcard_subdomain if "*" in host else dns1123_subdomain
    errors.extend(invalid(at, host, text) for text in rule(host))


def _rule(rule: Object, at: str, errors: Errors) -> None:
    host = rule.get("host") or ""
    if host:
        if address(host):
            text = "must be a DNS name, not an IP address"
            errors.append(invalid(f"{at}.host", host, text))
        _host(host, f"{at}.host", errors)
    if rule.get("http") is None:
        return
    paths = rule["http"].get("paths") or ()
    if not paths:
        errors.append(required(f"{at}.http.paths"))
    for number, path in enumerate(paths):
        _path(path, f"{at}.http.paths[{number}]", errors)


def _path(entry: Object, at: str, errors: Errors) -> None:
    type_, path = entry.get("pathType"), entry.get("path") or ""
    if type_ is None:
        errors.append(required(f"{at}.pathType", "pathType must be specified"))
        return
    if type_ not in _PATH_TYPES:
        errors.append(not_supported(f"{at}.pathType", type_, _PATH_TYPES))
    elif not path.startswith("/") and (path or type_ != "ImplementationSpecific"):
        errors.append(invalid(f"{at}.path", path, "must be an absolute path"))
    if type_ in {"Exact", "Prefix"}:
        found = [f"must not contain '{part}'" for part in _BAD_PARTS if part in path]
        found += [f"cannot end with '{end}'" for end in _BAD_ENDS if path.endswith(end)]
        errors.extend(invalid(f"{at}.path", path, text) for text in found)
    _backend(entry.get("backend") or {}, f"{at}.backend", errors)


def _backend(backend: Object, at: str, errors: Errors) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        errors.append(invalid(at, "", "cannot set both resource and service backends"))
    elif resource is not None:
        _reference(resource, f"{at}.resource", errors)
    elif service is not None:
        _service(service, at, errors)
    else:
        errors.append(invalid(at, "", "resource or service backend is required"))


def _reference(reference: Object, at: str, errors: Errors) -> None:
    group = reference.get("apiGroup")
    wrong = dns1123_subdomain(group) if group is not None else ()
    errors.extend(invalid(f"{at}.apiGroup", group, text) for text in wrong)
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            errors.append(required(f"{at}.{field}"))
        errors.extend(invalid(f"{at}.{field}", value, text) for text in path_segment(value))


def _service(service: Object, at: str, errors: Errors) -> None:
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        errors.append(required(f"{at}.service.name"))
    else:
        errors.extend(invalid(f"{at}.service.name", name, text) for text in dns1123_label(name))
    label, number = port.get("name") or "", port.get("number") or 0
    path = f"{at}.service.port"
    if label and number:
        errors.append(invalid(at, "", "cannot set both port name & port number"))
    elif label:
        errors.extend(invalid(f"{path}.name", label, text) for text in port_name(label))
    elif number:
        errors.extend(invalid(f"{path}.number", number, text) for text in port_number(number))
    else:
        errors.append(required(at, "port name or number is required"))


def _tls(tls: Object, at: str, errors: Errors) -> None:
    for number, host in enumerate(tls.get("hosts") or ()):
        _host(host, f"{at}.hosts[{number}]", errors)
    secret = tls.get("secretName") or ""
    wrong = dns1123_subdomain(secret) if secret else ()
    errors.extend(invalid(f"{at}.secretName", secret, text) for text in wrong)


def _points(ingress: Object) -> list[Object]:
    return look(ingress, "status", "loadBalancer", "ingress") or []


def _validate_status_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    known = [point.get("ip") or "" for point in _points(old)]
    for number, point in enumerate(_points(new)):
        at = f"status.loadBalancer.ingress[{number}]"
        if point.get("ip"):
            errors += validate_ip(point["ip"], f"{at}.ip", known)
        validate_ingress_host(point.get("hostname") or "", f"{at}.hostname", errors)
    return errors


def _hosts(ingress: Object, _: datetime.datetime) -> str:
    rules = look(ingress, "spec", "rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")][:3]
    more = f" + {len(rules) - 3} more..." if len(hosts) == 3 and len(rules) > 3 else ""
    return ",".join(hosts) + more if hosts else "*"


def _address(ingress: Object, _: datetime.datetime) -> str:
    found = {point.get("ip") or point.get("hostname") or "" for point in _points(ingress)}
    return ",".join(sorted(found - {""}))


INGRESS = Kind(
    validate_create=_validate_create,
    validate_update=lambda new, _: _validate(new),
    validate_status_update=_validate_status_update,
    columns=(
        NAME,
        Column("Class", optional("spec", "ingressClassName", missing="<none>")),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", lambda one, _: "80, 443" if look(one, "spec", "tls") else "80"),
        AGE,
    ),
)
