# SPDX-License-Identifier: Apache-2.0
"""networking.k8s.io: Ingress, IngressClass and NetworkPolicy, which the API only serves (defaults
and columns); IPAddress and ServiceCIDR, whose addresses services get.
"""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.addresses import address, ip
from pybernetes.apis.validation.part import IMMUTABLE, Part

_DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def hosts(ingress: Object, _: datetime.datetime) -> str:
    rules = look(ingress, "spec", "rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")][:3]
    more = f" + {len(rules) - 3} more..." if len(hosts) == 3 and len(rules) > 3 else ""
    return ",".join(hosts) + more if hosts else "*"


def ingress_address(ingress: Object, _: datetime.datetime) -> str:
    points = look(ingress, "status", "loadBalancer", "ingress") or ()
    found = {point.get("ip") or point.get("hostname") or "" for point in points}
    return ",".join(sorted(found - {""}))


def ports(ingress: Object, _: datetime.datetime) -> str:
    return "80, 443" if look(ingress, "spec", "tls") else "80"


def class_name(class_: Object, _: datetime.datetime) -> str:
    default = meta.annotations(class_).get(_DEFAULT_ANNOTATION) == "true"
    return meta.name(class_) + (" (default)" if default else "")


def parameters(class_: Object, _: datetime.datetime) -> str:
    found = look(class_, "spec", "parameters")
    if found is None:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
    return f"{found.get('kind') or ''}{group}/{found.get('name') or ''}"


def ip_name(name: str) -> list[str]:
    found = address(name)
    if found is None:
        return ip(name)
    return [] if str(found) == name else [f'must be in canonical form ("{found}")']


def parent(obj: Object, _: datetime.datetime) -> str:
    parent = look(obj, "spec", "parentRef")
    if parent is None:
        return "<none>"
    group = f".{parent['group']}" if parent.get("group") else ""
    space = f"/{parent['namespace']}" if parent.get("namespace") else ""
    return f"{parent.get('resource') or ''}{group}".lower() + f"{space}/{parent.get('name') or ''}"


def validate_port_range(part: Part) -> None:
    """Of a NetworkPolicyPort: a range starts with a number and does not end before it."""
    first, last = part.get("port"), part.get("endPort")
    if last is not None and isinstance(first, str):
        part.invalid("endPort", last, "may not be specified when `port` is non-numeric")
    elif None not in (first, last) and last < first:
        part.invalid("endPort", last, "must be greater than or equal to `port`")


def validate_cidrs(spec: Part) -> None:
    cidrs = spec.get("cidrs") or []
    if len(cidrs) > 2:
        spec.invalid("", spec.obj, "may only hold up to 2 values")


def validate_cidrs_kept(part: Part, old: Object) -> None:
    cidrs, was = (look(obj, "spec", "cidrs") or [] for obj in (part.obj, old))
    if len(cidrs) < len(was) or cidrs[: len(was)] != was:
        part.invalid("spec.cidrs", cidrs, IMMUTABLE)
