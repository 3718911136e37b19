# SPDX-License-Identifier: Apache-2.0
"""What the proxy reads of Services and EndpointSlices: one ServicePort per port. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from pybernetes.apimachinery.types import Object

SERVICE_NAME = "kubernetes.io/service-name"
Backend = tuple[str, int]  # address, port


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service and where its traffic goes."""

    namespace: str
    name: str
    port_name: str
    protocol: str  # tcp, udp, sctp
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    node_port: int  # 0: none
    affinity_seconds: int  # 0: no session affinity
    backends: tuple[Backend, ...]  # for traffic from inside
    external_backends: tuple[Backend, ...]  # for node ports and external addresses
    external_local: bool  # externalTrafficPolicy Local: keep the client's address

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}/{self.protocol}/{self.port_name or self.port}"


def service_ports(
    services: Iterable[Object], slices: Iterable[Object], node: str
) -> list[ServicePort]:
    """All IPv4 service ports in key order; headless and ExternalName services have none."""
    by_service: dict[tuple[str, str], list[Object]] = {}
    for one in slices:
        if one.get("addressType") != "IPv4":
            continue
        meta = one["metadata"]
        name = (meta.get("labels") or {}).get(SERVICE_NAME)
        if name:
            by_service.setdefault((meta["namespace"], name), []).append(one)
    found: list[ServicePort] = []
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        if spec.get("type") == "ExternalName" or not _cluster_ips(spec):
            continue
        own = by_service.get((meta["namespace"], meta["name"]), [])
        found.extend(_port(service, port, own, node) for port in spec.get("ports") or ())
    return sorted(found, key=lambda item: item.key)


def _cluster_ips(spec: Object) -> tuple[str, ...]:
    return _ipv4(spec.get("clusterIPs") or [spec.get("clusterIP", "")])


def _port(service: Object, port: Object, slices: list[Object], node: str) -> ServicePort:
    spec, meta = service["spec"], service["metadata"]
    everywhere = _backends(slices, port.get("name", ""), "")
    here = _backends(slices, port.get("name", ""), node)
    balancers = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
    external = [*(spec.get("externalIPs") or ()), *(one.get("ip", "") for one in balancers)]
    local = spec.get("externalTrafficPolicy") == "Local"
    affinity = spec.get("sessionAffinity") == "ClientIP"
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return ServicePort(
        namespace=meta["namespace"],
        name=meta["name"],
        port_name=port.get("name", ""),
        protocol=port.get("protocol", "TCP").lower(),
        port=port["port"],
        cluster_ips=_cluster_ips(spec),
        external_ips=_ipv4(external),
        node_port=port.get("nodePort", 0),
        affinity_seconds=config.get("timeoutSeconds", 10800) if affinity else 0,
        backends=here if spec.get("internalTrafficPolicy") == "Local" else everywhere,
        external_backends=here if local else everywhere,
        external_local=local,
    )


def _backends(slices: list[Object], port_name: str, node: str) -> tuple[Backend, ...]:
    """Ready endpoints; where there is none, serving ones that are terminating."""
    ready: dict[Backend, None] = {}
    leaving: dict[Backend, None] = {}
    for one in slices:
        numbers = [
            port["port"]
            for port in one.get("ports") or ()
            if (port.get("name") or "") == port_name and port.get("port")
        ]
        for endpoint in one.get("endpoints") or ():
            if node and endpoint.get("nodeName") != node:
                continue
            conditions = endpoint.get("conditions") or {}
            pairs = [
                (address, number) for address in endpoint["addresses"][:1] for number in numbers
            ]
            if conditions.get("ready") is not False:
                ready.update(dict.fromkeys(pairs))
            elif conditions.get("serving") and conditions.get("terminating"):
                leaving.update(dict.fromkeys(pairs))
    return tuple(sorted(ready or leaving))


def _ipv4(addresses: Iterable[str]) -> tuple[str, ...]:
    found = []
    for address in addresses:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:  # "", "None"
            continue
        if parsed.version == 4:
            found.append(str(parsed))
    return tuple(found)
