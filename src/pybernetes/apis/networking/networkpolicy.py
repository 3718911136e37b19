# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicy: who may talk to whom."""

from collections.abc import Iterator
from ipaddress import ip_network

from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, selector_cell
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.core.servicevalidation import PROTOCOLS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import validate_cidr, validate_port
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import port_number

_TYPES = ["Egress", "Ingress"]
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def _peers(spec: Object) -> Iterator[tuple[str, Object]]:
    for direction, side in _DIRECTIONS:
        for number, rule in enumerate(spec.get(direction) or ()):
            for index, peer in enumerate(rule.get(side) or ()):
                yield f"spec.{direction}[{number}].{side}[{index}]", peer


def _ports(spec: Object) -> Iterator[tuple[str, Object]]:
    for direction, _ in _DIRECTIONS:
        for number, rule in enumerate(spec.get(direction) or ()):
            for index, port in enumerate(rule.get("ports") or ()):
                yield f"spec.{direction}[{number}].ports[{index}]", port


def _default(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    for _, port in _ports(spec):
        fill_missing(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _validate(policy: Object, known: list[str]) -> Errors:
    errors: Errors = []
    spec = policy.get("spec") or {}
    validate_label_selector(spec.get("podSelector"), "spec.podSelector", errors)
    for at, port in _ports(spec):
        _port(port, at, errors)
    for at, peer in _peers(spec):
        _peer(peer, known, at, errors)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        text = "may not specify more than two policyTypes"
        errors.append(invalid("spec.policyTypes", types, text))
    for number, type_ in enumerate(types):
        if type_ not in _TYPES:
            errors.append(not_supported(f"spec.policyTypes[{number}]", type_, _TYPES))
    return errors


def _port(entry: Object, at: str, errors: Errors) -> None:
    protocol, port, end = (entry.get(field) for field in ("protocol", "port", "endPort"))
    if protocol is not None and protocol not in PROTOCOLS:
        errors.append(not_supported(f"{at}.protocol", protocol, PROTOCOLS))
    if port is not None:
        validate_port(port, f"{at}.port", errors)
    if end is None:
        return
    path = f"{at}.endPort"
    if port is None:
        errors.append(invalid(path, end, "may not be specified when `port` is not specified"))
    elif isinstance(port, str):
        errors.append(invalid(path, end, "may not be specified when `port` is non-numeric"))
    else:
        if end < port:
            errors.append(invalid(path, end, "must be greater than or equal to `port`"))
        errors.extend(invalid(path, end, text) for text in port_number(end))


def _peer(peer: Object, known: list[str], at: str, errors: Errors) -> None:
    used = [name for name, value in peer.items() if value is not None]
    for name in ("podSelector", "namespaceSelector"):
        validate_label_selector(peer.get(name), f"{at}.{name}", errors)
    if peer.get("ipBlock") is not None:
        _block(peer["ipBlock"], known, f"{at}.ipBlock", errors)
    if not used:
        errors.append(required(at, "must specify a peer"))
    elif len(used) > 1 and "ipBlock" in used:
        errors.append(forbidden(at, "may not specify both ipBlock and another peer"))


def _block(block: Object, known: list[str], at: str, errors: Errors) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        errors.append(required(f"{at}.cidr"))
        return
    wrong = validate_cidr(cidr, f"{at}.cidr", known)
    errors += wrong
    for number, entry in enumerate(block.get("except") or ()):
        path = f"{at}.except[{number}]"
        bad = validate_cidr(entry, path, known)
        errors += bad
        if not wrong and not bad and not _inside(entry, cidr):
            errors.append(invalid(path, entry, "must be a strict subset of `cidr`"))


def _inside(entry: str, cidr: str) -> bool:
    try:
        inner, outer = ip_network(entry, strict=False), ip_network(cidr, strict=False)
    except ValueError:
        return True  # kept from before such values were refused
    if inner.version != outer.version or inner.prefixlen <= outer.prefixlen:
        return False
    return inner.network_address in outer


def _validate_update(new: Object, old: Object) -> Errors:
    known: list[str] = []
    for _, peer in _peers(old.get("spec") or {}):
        block = peer.get("ipBlock") or {}
        known += [block.get("cidr") or "", *(block.get("except") or ())]
    return _validate(new, known)


NETWORK_POLICY = Kind(
    default=_default,
    validate_create=lambda policy: _validate(policy, []),
    validate_update=_validate_update,
    columns=(NAME, Column("Pod-Selector", selector_cell("spec", "podSelector")), AGE),
)
