# SPDX-License-Identifier: Apache-2.0
"""Service: what is wrong with one, beyond the rows of data/rules.txt."""

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.service import needs_health_port
from pybernetes.apis.validation.addresses import address, cidr, endpoint_ip, ip, not_local
from pybernetes.apis.validation.names import dns1123_subdomain
from pybernetes.apis.validation.part import IMMUTABLE, Part

_FAMILIES = ["IPv4", "IPv6"]
_LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
_ONCE = "may not change once set"
_RELEASED = "must be set to 'SingleStack' when releasing the secondary "


def validate_service(service: Part) -> None:
    _validate(service.child("spec"), {})


def validate_service_update(service: Part, old: Object) -> None:
    spec, was = service.child("spec"), old["spec"]
    if "ExternalName" not in {spec.get("type"), was.get("type")}:
        _cluster_ip_update(spec, was)
        _family_update(spec, was)
    class_ = spec.get("loadBalancerClass")
    balanced = spec.get("type") == was.get("type") == "LoadBalancer"
    if balanced and class_ != was.get("loadBalancerClass"):
        spec.invalid("loadBalancerClass", class_, _ONCE)
    same_port = was.get("healthCheckNodePort") == spec.get("healthCheckNodePort")
    if needs_health_port(service.obj) and needs_health_port(old) and not same_port:
        spec.forbidden("healthCheckNodePort", IMMUTABLE)
    _validate(spec, was)


def _headless(spec: Object) -> bool:
    return spec.get("clusterIPs") == ["None"]


def _cluster_ip_update(spec: Part, was: Object) -> None:
    if _headless(spec.obj) and _headless(was):
        return
    new, old = spec.get("clusterIPs") or [], was.get("clusterIPs") or []
    if old and not new:
        spec.invalid("clusterIPs[0]", new, "primary clusterIP can not be unset")
    for number in range(len(old) if len(new) == len(old) else min(len(old), len(new), 1)):
        if new[number] != old[number]:
            spec.invalid(f"clusterIPs[{number}]", new, _ONCE)
    _release(spec, new, old, "clusterIP")


def _release(spec: Part, new: list[str], old: list[str], what: str) -> None:
    policy = spec.get("ipFamilyPolicy")
    if len(new) == 1 and len(old) == 2 and policy != "SingleStack":
        spec.invalid("ipFamilyPolicy", policy, _RELEASED + what)


def _family_update(spec: Part, was: Object) -> None:
    if _headless(spec.obj) or _headless(was):
        return
    new, old = spec.get("ipFamilies") or [], was.get("ipFamilies") or []
    if new and old and new[0] != old[0]:
        spec.invalid("ipFamilies[0]", new, _ONCE)
    _release(spec, new, old, "ipFamily")


def _validate(spec: Part, was: Object) -> None:
    type_, headless = spec.get("type"), _headless(spec.obj)
    if type_ in {"LoadBalancer", "NodePort"} and headless:
        spec.invalid("clusterIPs[0]", "None", f"may not be set to 'None' for {type_} services")
    elif type_ == "ExternalName":
        _external_name(spec)
    _ports(spec)
    if type_ != "ExternalName":
        _cluster_ips(spec, was.get("clusterIPs") or ())
    known = was.get("externalIPs") or ()
    for number, value in enumerate(spec.get("externalIPs") or ()):
        wrong = not_local(value) if value in known else endpoint_ip(value)
        spec.wrong(f"externalIPs[{number}]", value, wrong)
    _load_balancer(spec, was)


def _external_name(spec: Part) -> None:
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        spec.required("externalName")
    else:
        spec.wrong("externalName", name, dns1123_subdomain(name))


def _ports(spec: Part) -> None:
    node_ports, numbers = set(), set()
    for port in spec.each("ports"):
        protocol, number, node_port = map(port.get, ("protocol", "port", "nodePort"))
        if spec.get("type") == "ClusterIP" and node_port:
            port.forbidden("nodePort", "may not be used when `type` is 'ClusterIP'")
        if node_port:
            if (protocol, node_port) in node_ports:
                port.duplicate("nodePort", node_port)
            node_ports.add((protocol, node_port))
        if (protocol, number) in numbers:
            port.duplicate("", {"port": number, "protocol": protocol})
        numbers.add((protocol, number))


def _cluster_ips(spec: Part, known: list[str] | tuple[()]) -> None:
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    first = spec.get("clusterIP")
    if first and not addresses:
        spec.required("clusterIPs")
    elif first and addresses[0] != first:
        spec.invalid("clusterIPs", addresses, "first value must match `clusterIP`")
    elif addresses and not first:
        text = "must be empty when `clusterIP` is not specified"
        spec.invalid("clusterIPs", addresses, text)
    if addresses and not _wrong_addresses(spec, addresses, known):
        _match_families(spec, addresses, families)


def _wrong_addresses(spec: Part, addresses: list[str], known: list[str] | tuple[()]) -> bool:
    before = len(spec.errors)
    for number, value in enumerate(addresses):
        if number == 0 and value == "None":
            if len(addresses) > 1:
                text = "'None' must be the first and only value"
                spec.invalid("clusterIPs", addresses, text)
        elif value not in known:
            spec.wrong(f"clusterIPs[{number}]", value, ip(value))
    wrong = len(spec.errors) > before
    if len(addresses) > 2:
        spec.invalid("clusterIPs", addresses, "may only hold up to 2 values")
    return wrong


def _match_families(spec: Part, addresses: list[str], families: list[str]) -> None:
    if addresses == ["None"]:
        return
    versions = [found.version for found in map(address, addresses) if found]
    if len(addresses) > 1 and len(set(versions)) < len(versions):
        text = "may specify no more than one IP for each IP family"
        spec.invalid("clusterIPs", addresses, text)
    for number, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in _FAMILIES and family != f"IPv{version}":
            text = f"expected an {family} value as indicated by `ipFamilies[{number}]`"
            spec.invalid(f"clusterIPs[{number}]", addresses[number], text)


def _load_balancer(spec: Part, was: Object) -> None:
    balanced = spec.get("type") == "LoadBalancer"
    ranges, field = spec.get("loadBalancerSourceRanges") or (), "LoadBalancerSourceRanges"
    if ranges and not balanced:
        spec.forbidden(field, _LOAD_BALANCER_ONLY)
    known = [value.strip() for value in was.get("loadBalancerSourceRanges") or ()]
    for number, value in enumerate(map(str.strip, ranges)):
        if value not in known:
            spec.wrong(f"{field}[{number}]", value, cidr(value))


def validate_service_status(service: Part, old: Object) -> None:
    balancer = service.child("status").child("loadBalancer")
    if balancer.get("ingress") and look(service.obj, "spec", "type") != "LoadBalancer":
        balancer.forbidden("ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    known = [one.get("ip") for one in look(old, "status", "loadBalancer", "ingress") or ()]
    for one in balancer.each("ingress"):
        address_ = one.get("ip")
        if address_ not in known:
            one.rule("ip", ip)
        if one.get("ipMode") is None:
            if address_:
                one.required("ipMode", "must be specified when `ip` is set")
        elif not address_:
            one.forbidden("ipMode", "may not be specified when `ip` is not set")
        else:
            one.choice("ipMode", ["Proxy", "VIP"])
        one.rule("hostname", dns1123_subdomain)
        if address(one.get("hostname") or ""):
            text = "must be a DNS name, not an IP address"
            one.invalid("hostname", one.get("hostname"), text)
