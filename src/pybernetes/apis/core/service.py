# SPDX-License-Identifier: Apache-2.0
"""Service: defaults, strategy and cells; and questions several components ask about services."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look

AFFINITY_SECONDS = 10800


def type_of(service: Object) -> str:
    return (service.get("spec") or {}).get("type") or "ClusterIP"


def cluster_ips(service: Object) -> list[str]:
    """The service's own addresses; none of a headless or an ExternalName service."""
    spec = service.get("spec") or {}
    found = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return [address for address in found if address and address != "None"]


def needs_node_port(service: Object) -> bool:
    spec = service.get("spec") or {}
    if type_of(service) == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return type_of(service) == "NodePort"


def needs_health_port(service: Object) -> bool:
    local = look(service, "spec", "externalTrafficPolicy") == "Local"
    return type_of(service) == "LoadBalancer" and local


def is_external(service: Object) -> bool:
    """True if traffic from outside the cluster can reach it (upstream's ExternallyAccessible)."""
    if type_of(service) in {"NodePort", "LoadBalancer"}:
        return True
    return type_of(service) == "ClusterIP" and bool(look(service, "spec", "externalIPs"))


def default_service(service: Object) -> None:
    """What depends on the service's type; clusterIP and clusterIPs[0] are one value."""
    spec = service["spec"]
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif look(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds") is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}
    for port in spec.get("ports") or ():
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if is_external(service):
        spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
    if spec["type"] == "LoadBalancer":
        for ingress in look(service, "status", "loadBalancer", "ingress") or ():
            if ingress.get("ip"):
                ingress["ipMode"] = ingress.get("ipMode", "VIP")
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def prepare_update(new: Object, old: Object) -> None:
    """Drop what the server allocated for a type that the service no longer has."""
    spec, was = new["spec"], old["spec"]
    inherit_allocated(new, old)
    if type_of(old) != "ExternalName" and type_of(new) == "ExternalName":
        same = spec.get("clusterIP") == was.get("clusterIP")
        if same and spec.get("clusterIPs") == was.get("clusterIPs"):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        for field in ("ipFamilies", "ipFamilyPolicy"):
            _drop_unchanged(field, spec, was)
    if needs_node_port(old) and not needs_node_port(new) and _node_ports(was) == _node_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(new):
        _drop_unchanged("healthCheckNodePort", spec, was)
    if type_of(old) == "LoadBalancer" and type_of(new) != "LoadBalancer":
        _drop_unchanged("allocateLoadBalancerNodePorts", spec, was)
        _drop_unchanged("loadBalancerClass", spec, was)
    if is_external(old) and not is_external(new):
        _drop_unchanged("externalTrafficPolicy", spec, was)
    if type_of(new) != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def inherit_allocated(new: Object, old: Object) -> None:
    """Keep what the server once allocated and this update leaves out. In place on `new`."""
    spec, was = new["spec"], old["spec"]
    if "ExternalName" not in {type_of(new), type_of(old)}:
        if not spec.get("clusterIP") and was.get("clusterIP"):
            spec["clusterIP"] = was["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == was.get("clusterIP"):
            spec.setdefault("clusterIPs", was.get("clusterIPs") or [])
    if needs_node_port(old) and needs_node_port(new):
        free = {port.get("name"): port.get("nodePort") for port in was.get("ports") or ()}
        used = [port.get("nodePort") for port in spec.get("ports") or ()]
        for port in spec.get("ports") or ():
            known = free.get(port.get("name"))
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if needs_health_port(old) and needs_health_port(new):
        spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or was.get(
            "healthCheckNodePort"
        )
    _plural_cluster_ip(spec, was)


def _plural_cluster_ip(spec: Object, was: Object) -> None:
    """A client that knows the singular field alone changes or clears the plural one with it."""
    if spec.get("clusterIP") == was.get("clusterIP"):
        return
    if spec.get("clusterIPs") == was.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []


def _drop_unchanged(field: str, spec: Object, was: Object) -> None:
    if spec.get(field) == was.get(field):
        spec.pop(field, None)


def _node_ports(spec: Object) -> list[int]:
    return sorted(port.get("nodePort") or 0 for port in spec.get("ports") or ())


def external_ip(service: Object, _: datetime.datetime) -> str:
    external = look(service, "spec", "externalIPs") or []
    if type_of(service) == "ExternalName":
        return look(service, "spec", "externalName") or ""
    if type_of(service) == "LoadBalancer":
        ingress = look(service, "status", "loadBalancer", "ingress") or ()
        given = sorted({one.get("ip") or one.get("hostname") or "" for one in ingress} - {""})
        return ",".join([*given, *external]) or "<pending>"
    return ",".join(external) or "<none>"


def ports(service: Object, _: datetime.datetime) -> str:
    shown = []
    for port in look(service, "spec", "ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node_port}/{port.get('protocol') or 'TCP'}")
    return ",".join(shown) or "<none>"
