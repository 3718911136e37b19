# SPDX-License-Identifier: Apache-2.0
"""What the proxy reads of a Service and its EndpointSlices: a View, one ServicePort per port. Pure.

Source: pkg/proxy/{serviceport,endpointslicecache,topology}.go of k8s.io/kubernetes.
"""

import contextlib
import ipaddress
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.service import cluster_ips

SERVICE_NAME = "kubernetes.io/service-name"
NOT_OURS = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
Backend = tuple[str, int]  # address, port


class Place(NamedTuple):
    """Where this proxy runs, for Local policies and topology hints."""

    node: str
    zone: str = ""


class _Endpoint(NamedTuple):
    backend: Backend
    local: bool
    ready: bool
    serving: bool
    terminating: bool
    zones: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service and where its traffic goes from this node."""

    name: str  # namespace/name/protocol/port name
    protocol: str  # tcp, udp, sctp
    port: int
    cluster_ip: str
    external_ips: tuple[str, ...] = ()
    balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()  # who may use balancer_ips; (): everyone
    node_port: int = 0  # 0: none
    affinity_seconds: int = 0  # 0: no session affinity
    internal_local: bool = False  # internalTrafficPolicy Local
    external_local: bool = False  # externalTrafficPolicy Local: keep the client's address
    cluster: tuple[Backend, ...] = ()  # what a Cluster policy spreads over
    local: tuple[Backend, ...] = ()  # what a Local policy spreads over
    anywhere: bool = False  # some node has a usable endpoint
    hairpins: tuple[Backend, ...] = ()  # endpoints here, which may reach themselves
    serving: tuple[Backend, ...] = ()  # of UDP ports: flows to others are stale

    @property
    def external(self) -> bool:
        """Whether it can be reached by more than its cluster IP."""
        return bool(self.node_port or self.external_ips or self.balancer_ips)

    def homeless(self, local: bool) -> bool:
        """Whether a policy, if it is Local, finds no endpoint here though there are some."""
        return local and self.anywhere and not self.local


class View(NamedTuple):
    """A service as this node's proxy sees it."""

    ports: tuple[ServicePort, ...] = ()
    health_port: int = 0  # healthCheckNodePort; 0: none
    local_ready: int = 0  # ready endpoints on this node


def service_of(one: Object) -> str:
    """The namespace/name of the service that an EndpointSlice belongs to; "" if none."""
    metadata = one["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
    return f"{metadata['namespace']}/{name}" if name else ""


def view(service: Object | None, slices: Iterable[Object], here: Place) -> View:
    """What `service` means here; nothing for headless and ExternalName ones, and others' services."""
    if service is None or not _is_ours(service):
        return View()
    spec = service["spec"]
    address = next(iter(_ipv4(cluster_ips(service))), "")
    if spec.get("type") == "ExternalName" or not address:
        return View()
    own = [one for one in slices if one.get("addressType") == "IPv4" and _is_ours(one)]
    found = []
    for port in spec.get("ports") or ():
        plain = _port(service, port, address)
        endpoints = _endpoints(own, port, here)
        found.append((_with_endpoints(plain, endpoints, here), endpoints))
    ready = {one.backend[0] for _, ends in found for one in ends if one.local and one.ready}
    checked = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    health_port = spec.get("healthCheckNodePort", 0) if checked else 0
    return View(tuple(port for port, _ in found), health_port, len(ready))


def settled(new: View, old: View) -> View:
    """`new`, with every endpoint that `old` has too left in its place as far as possible."""
    before = {port.name: port for port in old.ports}
    ports = [
        replace(
            port,
            cluster=_in_place(before[port.name].cluster, port.cluster),
            local=_in_place(before[port.name].local, port.local),
        )
        if port.name in before
        else port
        for port in new.ports
    ]
    return new._replace(ports=tuple(ports))


def _in_place(old: tuple[Backend, ...], new: tuple[Backend, ...]) -> tuple[Backend, ...]:
    wanted = set(new)
    places = [one if one in wanted else None for one in old[: len(new)]]
    kept = set(places)
    rest = iter([one for one in new if one not in kept])
    return (*(one or next(rest) for one in places), *rest)


def _is_ours(obj: Object) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return not any(label in labels for label in NOT_OURS)


def _port(service: Object, port: Object, address: str) -> ServicePort:
    spec, metadata = service["spec"], service["metadata"]
    protocol = port.get("protocol", "TCP").lower()
    balancers = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    affinity = spec.get("sessionAffinity") == "ClientIP"
    return ServicePort(
        name=f"{metadata['namespace']}/{metadata['name']}/{protocol}/{port.get('name', '')}",
        protocol=protocol,
        port=port["port"],
        cluster_ip=address,
        external_ips=_ipv4(spec.get("externalIPs") or ()),
        balancer_ips=_ipv4(
            one.get("ip", "") for one in balancers if one.get("ipMode", "VIP") == "VIP"
        ),
        source_ranges=_ranges(spec.get("loadBalancerSourceRanges") or ()),
        node_port=port.get("nodePort", 0),
        affinity_seconds=client.get("timeoutSeconds", 10800) if affinity else 0,
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
    )


def _with_endpoints(port: ServicePort, ends: Sequence[_Endpoint], here: Place) -> ServicePort:
    """Ready endpoints; where there is none, serving ones that are terminating (for Cluster and
    Local each on its own)."""
    uses_cluster = not port.internal_local or port.external
    uses_local = port.internal_local or (port.external_local and port.external)
    leaving = [one for one in ends if one.serving and one.terminating and not one.ready]
    ready = [one for one in ends if one.ready]
    near = _nearest(ready, here) or leaving
    cluster = near if uses_cluster else []
    own = [one for one in ready if one.local] or [one for one in leaving if one.local]
    local = own if uses_local else []
    reachable = dict.fromkeys(one.backend for one in (*cluster, *local) if one.local)
    udp = port.protocol == "udp"
    return replace(
        port,
        cluster=tuple(one.backend for one in cluster),
        local=tuple(one.backend for one in local),
        anywhere=bool(cluster or (uses_local and (ready or leaving))),
        hairpins=tuple(reachable),
        serving=tuple(one.backend for one in ends if one.serving) if udp else (),
    )


def _nearest(ready: list[_Endpoint], here: Place) -> list[_Endpoint]:
    """The endpoints that hints mean for this node, else for its zone, else all."""
    for one_place, hints in ((here.node, "nodes"), (here.zone, "zones")):
        if all(getattr(one, hints) for one in ready):
            chosen = [one for one in ready if one_place in getattr(one, hints)]
            if chosen:
                return chosen
    return ready


def _endpoints(slices: list[Object], port: Object, here: Place) -> list[_Endpoint]:
    """The endpoints behind a service port, by address; of two with one address the one that stays."""
    wanted = (port.get("name", ""), port.get("protocol", "TCP"))
    found: dict[Backend, _Endpoint] = {}
    for one in slices:
        numbers = [
            item["port"]
            for item in one.get("ports") or ()
            if (item.get("name") or "", item.get("protocol", "TCP")) == wanted and item.get("port")
        ]
        for endpoint in one.get("endpoints") or () if numbers else ():
            address = _ipv4(endpoint["addresses"][:1])
            for backend in itertools.product(address, numbers):
                made = _endpoint(endpoint, backend, here)
                if made.backend not in found or not made.terminating:
                    found[made.backend] = made
    return [found[key] for key in sorted(found)]


def _endpoint(endpoint: Object, backend: Backend, here: Place) -> _Endpoint:
    conditions, hints = endpoint.get("conditions") or {}, endpoint.get("hints") or {}
    return _Endpoint(
        backend=backend,
        local=endpoint.get("nodeName") == here.node,
        ready=conditions.get("ready") is not False,
        serving=conditions.get("serving") is not False,
        terminating=conditions.get("terminating") is True,
        zones=tuple(one["name"] for one in hints.get("forZones") or ()),
        nodes=tuple(one["name"] for one in hints.get("forNodes") or ()),
    )


def _ipv4(
    texts: Iterable[str], read: Callable[[str], object] = ipaddress.IPv4Address
) -> tuple[str, ...]:
    """Those that can be read: not "", "None", IPv6."""
    found = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(str(read(text.strip())))
    return tuple(found)


def _ranges(texts: Iterable[str]) -> tuple[str, ...]:
    """The IPv4 ranges; none where one of them means everyone."""
    found = _ipv4(texts, lambda text: ipaddress.IPv4Network(text, strict=False))
    return () if "0.0.0.0/0" in found else found
