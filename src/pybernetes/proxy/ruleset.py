# SPDX-License-Identifier: Apache-2.0
"""Services -> nftables: a fixed base (base.nft), and what each service adds to it. Pure.

Most services are map elements alone. A packet to one is looked up in `service-ips`, which leads it
to `balance-tcp-N`, the chain that all services with N endpoints share, which draws a number and
looks up the endpoint with it in `tcp-endpoints`. So neither the cost of a packet nor that of a change grows
with the number of services. Only session affinity and addresses outside of the cluster (node
ports, external and balancer addresses) take chains of the service's own.

TCP is refused with a reset: an ICMP answer that comes back while the caller still sends its SYN
is forgotten, and the caller waits a second. Others are refused before they are routed: an ICMP
redirect (out by the link it came in) would use up the caller's share of ICMP answers.
"""

import ipaddress
from dataclasses import dataclass, field
from importlib import resources
from string import Template

from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.services import Backend, ServicePort

MARK = "0x4000"  # this packet's source is rewritten on its way out
MASQUERADE = f"meta mark set mark or {MARK}"
SERVICES, NODE_PORTS = "service-ips", "service-nodeports"
NO_SERVICES, NO_NODE_PORTS = "no-endpoint-services", "no-endpoint-nodeports"
FIREWALL, HAIRPINS = "firewall-ips", "hairpin-connections"
Element = tuple[str, str]  # map or set, key


@dataclass(slots=True)
class Rules:
    """What a service adds to the table. A set's element has the value ""."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    affinity_sets: dict[str, int] = field(default_factory=dict)  # name -> timeout in seconds
    elements: dict[Element, str] = field(default_factory=dict)
    balanced: dict[str, tuple[Backend, ...]] = field(default_factory=dict)  # key in `service-ips`


def base(config: ProxyConfig) -> str:
    """The script (base.nft) that makes our table without a service, and keeps its other chains and
    sets. To be followed, in the same transaction, by all that services add."""
    ours = "fib daddr type local ip daddr != 127.0.0.0/8"
    outsiders = ""
    if config.cluster_cidr and config.service_cidr:
        outsiders = f"ip saddr != {config.cluster_cidr} ip daddr {config.service_cidr} {MASQUERADE}"
    text = Template(resources.files("pybernetes.proxy").joinpath("base.nft").read_text())
    return text.substitute(table=config.table, ours=ours, outsiders=outsiders, mark=MARK)


def balance(protocol: str, count: int) -> tuple[str, ...]:
    """The rules of `balance-PROTOCOL-COUNT`; the second is for packets that meet a change."""
    return tuple(
        f"dnat ip to ip daddr . {protocol} dport . numgen random mod {number} "
        f"map @{protocol}-endpoints"
        for number in dict.fromkeys((count, 1))
    )


def rules(ports: tuple[ServicePort, ...], config: ProxyConfig, node_ip: str = "") -> Rules:
    """What a service with these ports adds."""
    result = Rules()
    for port in ports:
        _internal(result, port)
        if port.external:
            _external(result, port, config)
        if port.balancer_ips and port.source_ranges:
            _firewall(result, port, node_ip)
        for address, number in port.hairpins:
            key = f"{address} . {address} . {port.protocol} . {number}"
            result.elements[HAIRPINS, key] = ""
    return result


def _internal(result: Rules, port: ServicePort) -> None:
    backends = port.local if port.internal_local else port.cluster
    key = _key(port.cluster_ip, port)
    if not backends:
        result.elements[NO_SERVICES, key] = _refusal(port)
    elif port.affinity_seconds:
        chain = _spread(result, port, "local" if port.internal_local else "service")
        result.elements[SERVICES, key] = f"goto {chain}"
    else:
        result.balanced[key] = backends
        result.elements[SERVICES, key] = f"goto balance-{port.protocol}-{len(backends)}"


def _external(result: Rules, port: ServicePort, config: ProxyConfig) -> None:
    keys = [
        (SERVICES, NO_SERVICES, _key(ip, port)) for ip in (*port.external_ips, *port.balancer_ips)
    ]
    if port.node_port:
        keys.append((NODE_PORTS, NO_NODE_PORTS, f"{port.protocol} . {port.node_port}"))
    backends = port.local if port.external_local else port.cluster
    for used, unused, key in keys:
        if port.anywhere:
            result.elements[used, key] = f"goto external-{port.name}"
        if not backends:
            result.elements[unused, key] = _refusal(port)
    if not port.anywhere:
        return
    everywhere = f"goto {_spread(result, port, 'service')}"
    lines = [MASQUERADE, everywhere]
    if port.external_local:
        lines = [
            "fib saddr type local " + MASQUERADE,
            "fib saddr type local " + everywhere,  # the node itself is not outside
        ]
        if config.cluster_cidr:
            lines.insert(0, f"ip saddr {config.cluster_cidr} {everywhere}")  # nor is a pod
        if port.local:
            lines.append(f"goto {_spread(result, port, 'local')}")
    result.chains[f"external-{port.name}"] = tuple(lines)


def _firewall(result: Rules, port: ServicePort, node_ip: str) -> None:
    chain = f"firewall-{port.name}"
    allowed = list(port.source_ranges)
    if any(_contains(one, node_ip) for one in allowed):
        allowed.extend(port.balancer_ips)  # the node's own packets to an address it holds itself
    result.chains[chain] = (f"ip saddr != {{ {', '.join(allowed)} }} drop",)
    for address in port.balancer_ips:
        result.elements[FIREWALL, _key(address, port)] = f"goto {chain}"


def _spread(result: Rules, port: ServicePort, policy: str) -> str:
    """The service's own chain ("service-..." or "local-...") over the endpoints of a policy."""
    backends = port.local if policy == "local" else port.cluster
    chain = f"{policy}-{port.name}"
    if not port.affinity_seconds:
        choices = ", ".join(f"{at} : {ip} . {number}" for at, (ip, number) in enumerate(backends))
        result.chains[chain] = (
            f"meta l4proto {port.protocol} dnat ip to "
            f"numgen random mod {len(backends)} map {{ {choices} }}",
        )
        return chain
    ends = [_sticky(result, port, backend) for backend in backends]
    lines = [f"ip saddr @{known} goto {end}" for end, known in ends]
    choices = ", ".join(f"{at} : goto {end}" for at, (end, _) in enumerate(ends))
    lines.append(f"numgen random mod {len(ends)} vmap {{ {choices} }}")
    result.chains[chain] = tuple(lines)
    return chain


def _sticky(result: Rules, port: ServicePort, backend: Backend) -> tuple[str, str]:
    """The chain of one endpoint, and the set of its clients.

    The timeout, which nftables cannot change in place, is part of the set's name.
    """
    address, number = backend
    end = f"endpoint-{port.name}__{address}/{number}"
    known = f"affinity-{port.name}__{address}/{number}/{port.affinity_seconds}"
    result.affinity_sets[known] = port.affinity_seconds
    result.chains[end] = (
        f"update @{known} {{ ip saddr }}",
        f"meta l4proto {port.protocol} dnat to {address}:{number}",
    )
    return end, known


def _refusal(port: ServicePort) -> str:
    """No endpoint on any node refuses; none on this node under a Local policy drops."""
    return "drop" if port.anywhere else "goto reject-chain"


def _key(address: str, port: ServicePort) -> str:
    return f"{address} . {port.protocol} . {port.port}"


def _contains(network: str, address: str) -> bool:
    return bool(address) and ipaddress.IPv4Address(address) in ipaddress.IPv4Network(network)
