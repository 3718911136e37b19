# SPDX-License-Identifier: Apache-2.0
"""networking.k8s.io: Ingress, IngressClass and NetworkPolicy, which the API only serves (defaults
and columns); IPAddress and ServiceCIDR, whose addresses services get.
"""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, optional, selector_cell, text
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_cidr
from pybernetes.apis.validation.part import IMMUTABLE, Part, creating, updating

_DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


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
    columns=(
        Column("Name", _name, format="name"),
        Column("Controller", text("spec", "controller")),
        Column("Parameters", _parameters),
        AGE,
    ),
)


def _default_policy(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill_missing(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


NETWORK_POLICY = Kind(
    default=_default_policy,
    columns=(NAME, Column("Pod-Selector", selector_cell("spec", "podSelector")), AGE),
)


def _ip_name(name: str) -> list[str]:
    found = address(name)
    if found is None:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if str(found) == name else [f'must be in canonical form ("{found}")']


def _ip_address(part: Part) -> None:
    spec = part.child("spec")
    if spec.get("parentRef") is None:
        spec.required("parentRef")
    else:
        spec.child("parentRef").need("resource", "name")


def _parent(obj: Object, _: datetime.datetime) -> str:
    parent = look(obj, "spec", "parentRef")
    if parent is None:
        return "<none>"
    group = f".{parent['group']}" if parent.get("group") else ""
    space = f"/{parent['namespace']}" if parent.get("namespace") else ""
    return f"{parent.get('resource') or ''}{group}".lower() + f"{space}/{parent.get('name') or ''}"


def _service_cidr(part: Part) -> None:
    spec = part.child("spec")
    cidrs = spec.get("cidrs") or []
    spec.need("cidrs", detail="at least one CIDR required")
    if len(cidrs) > 2:
        spec.invalid("", spec.obj, "may only hold up to 2 values")
    for number, cidr in enumerate(cidrs):
        spec.errors.extend(validate_cidr(cidr, spec.path(f"cidrs[{number}]")))


def _service_cidr_update(new: Object, old: Object) -> Errors:
    part = Part(new)
    _service_cidr(part)
    cidrs, was = (look(obj, "spec", "cidrs") or [] for obj in (new, old))
    if len(cidrs) < len(was) or cidrs[: len(was)] != was:
        part.invalid("spec.cidrs", cidrs, IMMUTABLE)
    return part.errors


IP_ADDRESS = Kind(
    validate_create=creating(_ip_address),
    validate_update=updating(_ip_address, "spec.parentRef"),
    validate_name=_ip_name,
    columns=(NAME, Column("ParentRef", _parent)),
)
SERVICE_CIDR = Kind(
    validate_create=creating(_service_cidr),
    validate_update=_service_cidr_update,
    columns=(NAME, Column("CIDRs", lambda obj, _: ",".join(look(obj, "spec", "cidrs") or ())), AGE),
)
