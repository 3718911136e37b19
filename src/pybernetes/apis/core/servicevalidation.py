# SPDX-License-Identifier: Apache-2.0
"""Service: what is wrong with one, in upstream's paths and words."""

from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.addresses import (
    address,
    validate_cidr,
    validate_endpoint_ip,
    validate_ip,
    validate_port,
)
from pybernetes.apis.validation.meta import validate_labels
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    port_number,
    qualified_name,
)

TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
PROTOCOLS = ["SCTP", "TCP", "UDP"]
_AFFINITIES = ["ClientIP", "None"]
_POLICIES = ["Cluster", "Local"]
_FAMILIES = ["IPv4", "IPv6"]
_FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"]
_DISTRIBUTIONS = ["PreferClose", "PreferSameNode", "PreferSameZone"]
_LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
_ONCE = "may not change once set"


def validate_service(service: Object) -> Errors:
    return _validate(service, {})


def validate_service_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    spec, was = new["spec"], old["spec"]
    if "ExternalName" not in {spec.get("type"), was.get("type")}:
        _cluster_ip_update(spec, was, errors)
        _family_update(spec, was, errors)
    if spec.get("type") == was.get("type") == "LoadBalancer":
        _fixed("loadBalancerClass", spec, was, errors)
    old_port, port = was.get("healthCheckNodePort"), spec.get("healthCheckNodePort")
    if _health_check(spec) and _health_check(was) and port != old_port:
        errors.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return errors + _validate(new, was)


def _fixed(field: str, spec: Object, was: Object, errors: Errors) -> None:
    if spec.get(field) != was.get(field):
        errors.append(invalid(f"spec.{field}", spec.get(field), _ONCE))


def _headless(spec: Object) -> bool:
    return spec.get("clusterIPs") == ["None"]


def _health_check(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _external(spec: Object) -> bool:
    if spec.get("type") in {"NodePort", "LoadBalancer"}:
        return True
    return spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))


def _cluster_ip_update(spec: Object, was: Object, errors: Errors) -> None:
    if _headless(spec) and _headless(was):
        return
    new, old = spec.get("clusterIPs") or [], was.get("clusterIPs") or []
    if old and not new:
        errors.append(invalid("spec.clusterIPs[0]", new, "primary clusterIP can not be unset"))
    for number in range(len(old) if len(new) == len(old) else min(len(old), len(new), 1)):
        if new[number] != old[number]:
            errors.append(invalid(f"spec.clusterIPs[{number}]", new, _ONCE))
    if len(new) == 1 and len(old) == 2 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))


def _family_update(spec: Object, was: Object, errors: Errors) -> None:
    if _headless(spec) or _headless(was):
        return
    new, old = spec.get("ipFamilies") or [], was.get("ipFamilies") or []
    if new and old and new[0] != old[0]:
        errors.append(invalid("spec.ipFamilies[0]", new, _ONCE))
    if len(new) == 1 and len(old) == 2 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))


def _validate(service: Object, was: Object) -> Errors:
    errors: Errors = []
    spec = service.get("spec") or {}
    if not spec.get("ports") and not _headless(spec) and spec.get("type") != "ExternalName":
        errors.append(required("spec.ports"))
    _type(spec, errors)
    _ports(spec, errors)
    if spec.get("selector"):
        validate_labels(spec["selector"], "spec.selector", errors)
    _affinity(spec, errors)
    if spec.get("type") != "ExternalName":
        _cluster_ips(spec, was.get("clusterIPs") or (), errors)
    for number, ip in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{number}]"
        wrong = validate_ip(ip, at, was.get("externalIPs") or ())
        errors += wrong or validate_endpoint_ip(ip, at)
    _load_balancer(spec, was, errors)
    _traffic(spec, errors)
    return errors


def _type(spec: Object, errors: Errors) -> None:
    type_ = spec.get("type")
    if not type_:
        errors.append(required("spec.type"))
    elif type_ not in TYPES:
        errors.append(not_supported("spec.type", type_, TYPES))
    elif type_ in {"LoadBalancer", "NodePort"} and _headless(spec):
        text = f"may not be set to 'None' for {type_} services"
        errors.append(invalid("spec.clusterIPs[0]", "None", text))
    elif type_ == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                text = "may not be set for ExternalName services"
                errors.append(forbidden(f"spec.{field}", text))
        name = (spec.get("externalName") or "").removesuffix(".")
        if not name:
            errors.append(required("spec.externalName"))
        for text in dns1123_subdomain(name) if name else ():
            errors.append(invalid("spec.externalName", name, text))


def _ports(spec: Object, errors: Errors) -> None:
    ports = spec.get("ports") or ()
    names: list[str] = []
    for number, port in enumerate(ports):
        at = f"spec.ports[{number}]"
        name = port.get("name") or ""
        if not name and len(ports) > 1:
            errors.append(required(f"{at}.name"))
        elif name:
            for text in dns1123_label(name):
                errors.append(invalid(f"{at}.name", name, text))
            if name in names:
                errors.append(duplicate(f"{at}.name", name))
            names.append(name)
        _port(port, at, errors)
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            text = "may not be used when `type` is 'ClusterIP'"
            errors.append(forbidden(f"{at}.nodePort", text))
    _port_twins(ports, errors)


def _port(port: Object, at: str, errors: Errors) -> None:
    for text in port_number(port.get("port") or 0):
        errors.append(invalid(f"{at}.port", port.get("port") or 0, text))
    protocol = port.get("protocol")
    if not protocol:
        errors.append(required(f"{at}.protocol"))
    elif protocol not in PROTOCOLS:
        errors.append(not_supported(f"{at}.protocol", protocol, PROTOCOLS))
    validate_port(port.get("targetPort"), f"{at}.targetPort", errors)
    if port.get("appProtocol") is not None:
        for text in qualified_name(port["appProtocol"]):
            errors.append(invalid(f"{at}.appProtocol", port["appProtocol"], text))


def _port_twins(ports: list[Object] | tuple[()], errors: Errors) -> None:
    node_ports, numbers = set(), set()
    for number, port in enumerate(ports):
        pair = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort"):
            if pair in node_ports:
                errors.append(duplicate(f"spec.ports[{number}].nodePort", port["nodePort"]))
            node_ports.add(pair)
    for number, port in enumerate(ports):
        pair = (port.get("protocol"), port.get("port"))
        if pair in numbers:
            shown = {"port": port.get("port"), "protocol": port.get("protocol")}
            errors.append(duplicate(f"spec.ports[{number}]", shown))
        numbers.add(pair)


def _affinity(spec: Object, errors: Errors) -> None:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    at = "spec.sessionAffinityConfig"
    if not affinity:
        errors.append(required("spec.sessionAffinity"))
    elif affinity not in _AFFINITIES:
        errors.append(not_supported("spec.sessionAffinity", affinity, _AFFINITIES))
    elif affinity == "None":
        if config is not None:
            errors.append(forbidden(at, "must not be set when session affinity is None"))
    else:
        seconds = look(config, "clientIP", "timeoutSeconds")
        if seconds is None:
            errors.append(required(at, "when session affinity type is ClientIP"))
        elif not 0 < seconds <= 86400:
            text = "must be greater than 0 and less than 86400"
            errors.append(invalid(f"{at}.clientIP.timeoutSeconds", seconds, text))


def _cluster_ips(spec: Object, known: list[str] | tuple[()], errors: Errors) -> None:
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    at = "spec.clusterIPs"
    if spec.get("clusterIP") and not addresses:
        errors.append(required(at))
    elif spec.get("clusterIP") and addresses[0] != spec["clusterIP"]:
        errors.append(invalid(at, addresses, "first value must match `clusterIP`"))
    elif addresses and not spec.get("clusterIP"):
        errors.append(invalid(at, addresses, "must be empty when `clusterIP` is not specified"))
    for number, family in enumerate(families):
        if family not in _FAMILIES:
            errors.append(not_supported(f"spec.ipFamilies[{number}]", family, _FAMILIES))
        if family in families[:number]:
            errors.append(duplicate(f"spec.ipFamilies[{number}]", family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        errors.append(not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES))
    if addresses and not _wrong_addresses(addresses, known, errors):
        _match_families(addresses, families, errors)


def _wrong_addresses(addresses: list[str], known: list[str] | tuple[()], errors: Errors) -> bool:
    at, before = "spec.clusterIPs", len(errors)
    for number, ip in enumerate(addresses):
        if number == 0 and ip == "None":
            if len(addresses) > 1:
                text = "'None' must be the first and only value"
                errors.append(invalid(at, addresses, text))
        else:
            errors += validate_ip(ip, f"{at}[{number}]", known)
    wrong = len(errors) > before
    if len(addresses) > 2:
        errors.append(invalid(at, addresses, "may only hold up to 2 values"))
    return wrong


def _match_families(addresses: list[str], families: list[str], errors: Errors) -> None:
    at = "spec.clusterIPs"
    if addresses == ["None"]:
        return
    versions = [found.version for found in map(address, addresses) if found]
    if len(addresses) > 1 and len(set(versions)) < len(versions):
        text = "may specify no more than one IP for each IP family"
        errors.append(invalid(at, addresses, text))
    for number, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in _FAMILIES and family != f"IPv{version}":
            text = f"expected an {family} value as indicated by `ipFamilies[{number}]`"
            errors.append(invalid(f"{at}[{number}]", addresses[number], text))


def _load_balancer(spec: Object, was: Object, errors: Errors) -> None:
    balanced = spec.get("type") == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and not balanced:
        errors.append(forbidden("spec.LoadBalancerSourceRanges", _LOAD_BALANCER_ONLY))
    known = [value.strip() for value in was.get("loadBalancerSourceRanges") or ()]
    for number, value in enumerate(ranges):
        errors += validate_cidr(value.strip(), f"spec.LoadBalancerSourceRanges[{number}]", known)
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if allocate is not None and not balanced:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", _LOAD_BALANCER_ONLY))
    if allocate is None and balanced:
        errors.append(required("allocateLoadBalancerNodePorts"))
    class_ = spec.get("loadBalancerClass")
    if class_ is not None:
        if not balanced:
            errors.append(forbidden("spec.loadBalancerClass", _LOAD_BALANCER_ONLY))
        for text in qualified_name(class_) if balanced else ():
            errors.append(invalid("spec.loadBalancerClass", class_, text))


def _traffic(spec: Object, errors: Errors) -> None:
    external, internal = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    at = "spec.externalTrafficPolicy"
    if not _external(spec):
        if external:
            text = "may only be set for externally-accessible services"
            errors.append(invalid(at, external, text))
    elif external not in _POLICIES:
        errors.append(not_supported(at, external, _POLICIES) if external else required(at))
    _health_port(spec, errors)
    at = "spec.internalTrafficPolicy"
    if internal is None:
        if spec.get("type") in {"NodePort", "LoadBalancer", "ClusterIP"}:
            errors.append(required(at))
    elif internal not in _POLICIES:
        errors.append(not_supported(at, internal, _POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS))


def _health_port(spec: Object, errors: Errors) -> None:
    """A missing port is no finding: the API server allocates it after validation."""
    at, port = "spec.healthCheckNodePort", spec.get("healthCheckNodePort")
    if port and not _health_check(spec):
        text = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        errors.append(invalid(at, port, text))
    elif port:
        errors += [invalid(at, port, text) for text in port_number(port)]


def validate_service_status(new: Object, old: Object) -> Errors:
    errors: Errors = []
    ingress = look(new, "status", "loadBalancer", "ingress") or ()
    at = "status.loadBalancer.ingress"
    if ingress and look(new, "spec", "type") != "LoadBalancer":
        return [forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'")]
    known = [one.get("ip") for one in look(old, "status", "loadBalancer", "ingress") or ()]
    validate_ingress_points(ingress, at, known, errors)
    return errors


def validate_ingress_points(
    ingress: list[Object] | tuple[()], at: str, known: list[str], errors: Errors
) -> None:
    """Where a load balancer answers, of a Service."""
    for number, one in enumerate(ingress):
        path = f"{at}[{number}]"
        ip, mode = one.get("ip") or "", one.get("ipMode")
        errors += validate_ip(ip, f"{path}.ip", known) if ip else []
        if mode is None and ip:
            errors.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
        elif mode is not None and not ip:
            text = "may not be specified when `ip` is not set"
            errors.append(forbidden(f"{path}.ipMode", text))
        elif mode is not None and mode not in {"VIP", "Proxy"}:
            errors.append(not_supported(f"{path}.ipMode", mode, ["Proxy", "VIP"]))
        validate_ingress_host(one.get("hostname") or "", f"{path}.hostname", errors)


def validate_ingress_host(host: str, at: str, errors: Errors) -> None:
    for text in dns1123_subdomain(host) if host else ():
        errors.append(invalid(at, host, text))
    if host and address(host):
        errors.append(invalid(at, host, "must be a DNS name, not an IP address"))
