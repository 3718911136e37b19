# SPDX-License-Identifier: Apache-2.0
"""Ingress (which host and path leads to which service) and IngressClass (who looks after it)."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.core.servicevalidation import not_an_ip, validate_ingress_points
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    domain_prefixed_path,
    path_segment,
    port_name,
    port_number,
    wildcard_subdomain,
)
from pybernetes.apis.validation.part import Part, creating, updating

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
_PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"]
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


def _ingress(part: Part) -> None:
    spec = part.child("spec")
    rules = spec.get("rules") or []
    if spec.get("defaultBackend") is not None:
        _backend(spec.child("defaultBackend"))
    elif not rules:
        text = "either `defaultBackend` or `rules` must be specified"
        spec.invalid("", rules, text)
    for rule in spec.each("rules"):
        rule.rule("host", not_an_ip)
        rule.rule("host", _host)
        if rule.get("http") is not None:
            rule.child("http").need("paths")
            for path in rule.child("http").each("paths"):
                _path(path)
    for tls in spec.each("tls"):
        tls.list_rule("hosts", _host)
        tls.rule("secretName", dns1123_subdomain)
    spec.set_rule("ingressClassName", dns1123_subdomain)


def _new_ingress(part: Part) -> None:
    _ingress(part)
    old = meta.annotations(part.obj).get(_CLASS_ANNOTATION)
    class_ = part.child("spec").get("ingressClassName")
    if old is not None and class_ is not None and old != class_:
        text = "must match `ingressClassName` when both are specified"
        part.invalid(f"annotations.{_CLASS_ANNOTATION}", old, text)


def _host(host: str) -> list[str]:
    return wildcard_subdomain(host) if "*" in host else dns1123_subdomain(host)


def _path(entry: Part) -> None:
    type_, path = entry.get("pathType"), entry.get("path") or ""
    if type_ is None:
        entry.required("pathType", "pathType must be specified")
        return
    if type_ not in _PATH_TYPES:
        entry.unsupported("pathType", type_, _PATH_TYPES)
    elif not path.startswith("/") and (path or type_ != "ImplementationSpecific"):
        entry.invalid("path", path, "must be an absolute path")
    if type_ in {"Exact", "Prefix"}:
        found = [f"must not contain '{part}'" for part in _BAD_PARTS if part in path]
        found += [f"cannot end with '{end}'" for end in _BAD_ENDS if path.endswith(end)]
        entry.wrong("path", path, found)
    _backend(entry.child("backend"))


def _backend(backend: Part) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        backend.invalid("", "", "cannot set both resource and service backends")
    elif resource is not None:
        reference = backend.child("resource")
        reference.set_rule("apiGroup", dns1123_subdomain)
        reference.need_rule("kind", path_segment)
        reference.need_rule("name", path_segment)
    elif service is not None:
        _service(backend)
    else:
        backend.invalid("", "", "resource or service backend is required")


def _service(backend: Part) -> None:
    service = backend.child("service")
    port = service.child("port")
    service.need_rule("name", dns1123_label)
    if port.get("name") and port.get("number"):
        backend.invalid("", "", "cannot set both port name & port number")
    elif port.get("name") or port.get("number"):
        port.rule("name", port_name)
        port.rule("number", port_number)
    else:
        backend.required("", "port name or number is required")


def _validate_status_update(new: Object, old: Object) -> Errors:
    balancer = Part(new).child("status").child("loadBalancer")
    validate_ingress_points(balancer, old)
    return balancer.errors


def _hosts(ingress: Object, _: datetime.datetime) -> str:
    rules = look(ingress, "spec", "rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")][:3]
    more = f" + {len(rules) - 3} more..." if len(hosts) == 3 and len(rules) > 3 else ""
    return ",".join(hosts) + more if hosts else "*"


def _address(ingress: Object, _: datetime.datetime) -> str:
    points = look(ingress, "status", "loadBalancer", "ingress") or ()
    found = {point.get("ip") or point.get("hostname") or "" for point in points}
    return ",".join(sorted(found - {""}))


INGRESS = Kind(
    validate_create=creating(_new_ingress),
    validate_update=updating(_ingress),
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


def _default_class(class_: Object) -> None:
    parameters = look(class_, "spec", "parameters")
    if parameters is not None:
        fill_missing(parameters, {"scope": "Cluster"})


def _class(part: Part) -> None:
    spec = part.child("spec")
    controller, at = spec.get("controller") or "", spec.path("controller")
    if len(controller) > 250:
        spec.errors.append(too_long(at, 250))
    spec.errors.extend(domain_prefixed_path(controller, at))
    if spec.get("parameters") is not None:
        parameters = spec.child("parameters")
        parameters.need("kind", "name")
        if parameters.get("scope") == "Namespace":
            parameters.need("namespace", detail="`parameters.scope` is set to 'Namespace'")


def _name(class_: Object, _: datetime.datetime) -> str:
    default = meta.annotations(class_).get(_DEFAULT_ANNOTATION) == "true"
    return meta.name(class_) + (" (default)" if default else "")


def _parameters(class_: Object, _: datetime.datetime) -> str:
    found = look(class_, "spec", "parameters")
    if found is None:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
    return f"{found.get('kind') or ''}{group}/{found.get('name') or ''}"


INGRESS_CLASS = Kind(
    default=_default_class,
    validate_create=creating(_class),
    validate_update=updating(_class, "spec.controller"),
    columns=(
        Column("Name", _name, format="name"),
        Column("Controller", text("spec", "controller")),
        Column("Parameters", _parameters),
        AGE,
    ),
)
