# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicy (who may talk to whom), IPAddress and ServiceCIDR (addresses of services)."""

import datetime
from collections.abc import Iterator
from ipaddress import ip_network

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, selector_cell
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.core.servicevalidation import PROTOCOLS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_cidr, validate_port
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import port_number
from pybernetes.apis.validation.part import IMMUTABLE, Part, creating, updating

_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def _rules(spec: Part) -> Iterator[tuple[Part, str]]:
    """Every rule, and the field that holds its peers."""
    for direction, side in _DIRECTIONS:
        for rule in spec.each(direction):
            yield rule, side


def _default(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    for rule, _ in _rules(Part(spec)):
        for port in rule.get("ports") or ():
            fill_missing(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _policy(spec: Part, known: list[str]) -> None:
    validate_label_selector(spec, "podSelector")
    for rule, side in _rules(spec):
        for port in rule.each("ports"):
            _port(port)
        for peer in rule.each(side):
            _peer(peer, known)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        spec.invalid("policyTypes", types, "may not specify more than two policyTypes")
    for number, type_ in enumerate(types):
        if type_ not in {"Egress", "Ingress"}:
            spec.unsupported(f"policyTypes[{number}]", type_, ["Egress", "Ingress"])


def _port(entry: Part) -> None:
    port, end = entry.get("port"), entry.get("endPort")
    entry.choice("protocol", PROTOCOLS)
    if port is not None:
        validate_port(entry)
    if end is None:
        return
    if port is None:
        entry.invalid("endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(port, str):
        entry.invalid("endPort", end, "may not be specified when `port` is non-numeric")
    else:
        if end < port:
            entry.invalid("endPort", end, "must be greater than or equal to `port`")
        entry.wrong("endPort", end, port_number(end))


def _peer(peer: Part, known: list[str]) -> None:
    used = [name for name, value in peer.obj.items() if value is not None]
    validate_label_selector(peer, "podSelector")
    validate_label_selector(peer, "namespaceSelector")
    if peer.get("ipBlock") is not None:
        _block(peer.child("ipBlock"), known)
    if not used:
        peer.required("", "must specify a peer")
    elif len(used) > 1 and "ipBlock" in used:
        peer.forbidden("", "may not specify both ipBlock and another peer")


def _block(block: Part, known: list[str]) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        block.required("cidr")
        return
    wrong = validate_cidr(cidr, block.path("cidr"), known)
    block.errors.extend(wrong)
    for number, entry in enumerate(block.get("except") or ()):
        bad = validate_cidr(entry, block.path(f"except[{number}]"), known)
        block.errors.extend(bad)
        if not wrong and not bad and not _inside(entry, cidr):
            block.invalid(f"except[{number}]", entry, "must be a strict subset of `cidr`")


def _inside(entry: str, cidr: str) -> bool:
    try:
        inner, outer = ip_network(entry, strict=False), ip_network(cidr, strict=False)
    except ValueError:
        return True  # kept from before such values were refused
    if inner.version != outer.version or inner.prefixlen <= outer.prefixlen:
        return False
    return inner.network_address in outer


def _policy_update(new: Object, old: Object) -> Errors:
    known: list[str] = []
    for rule, side in _rules(Part(old.get("spec"))):
        for block in (peer.child("ipBlock") for peer in rule.each(side)):
            known += [block.get("cidr") or "", *(block.get("except") or ())]
    part = Part(new)
    _policy(part.child("spec"), known)
    return part.errors


NETWORK_POLICY = Kind(
    default=_default,
    validate_create=creating(lambda policy: _policy(policy.child("spec"), [])),
    validate_update=_policy_update,
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
