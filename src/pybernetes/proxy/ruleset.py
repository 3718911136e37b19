# SPDX-License-Identifier: Apache-2.0
"""ServicePorts -> nftables: a fixed base, and per service chains and map elements. Pure.

A packet is looked up in one verdict map (address, protocol, port), so the cost does not grow with
the number of services. `script(old, new)` changes only what differs, in one transaction.

TCP is refused with a reset: an ICMP answer that comes back while the caller still sends its SYN
is forgotten, and the caller waits a second.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pybernetes.proxy.services import Backend, ServicePort

MARK = "0x4000"  # this packet's source is rewritten on its way out
REJECT = "goto reject-chain"


@dataclass(slots=True)
class Rules:
    """What the table holds beyond its base: chains, their sets, and map elements by map name."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    affinity_sets: dict[str, int] = field(default_factory=dict)  # name -> timeout in seconds
    elements: dict[str, dict[str, str]] = field(default_factory=dict)  # map -> key -> verdict


def base(table: str) -> str:
    """The script that makes an empty table of ours, whatever was there before."""
    concat = "type ipv4_addr . inet_proto . inet_service : verdict;"
    return f"""\
add table ip {table}
delete table ip {table}
table ip {table} {{
  map service-ips {{ {concat} }}
  map service-nodeports {{ type inet_proto . inet_service : verdict; }}
  map no-endpoint-services {{ {concat} }}
  map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
  chain reject-chain {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain mark-for-masquerade {{ meta mark set mark or {MARK}; }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @service-nodeports
  }}
  chain no-endpoints {{
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain nat-prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }}
  chain nat-output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & {MARK} != 0 meta mark set mark xor {MARK} masquerade fully-random
  }}
  chain filter-input {{
    type filter hook input priority -110; policy accept;
    ct state new jump no-endpoints
  }}
  chain filter-forward {{
    type filter hook forward priority -110; policy accept;
    ct state new jump no-endpoints
  }}
  chain filter-output {{
    type filter hook output priority -90; policy accept;
    ct state new jump no-endpoints
  }}
}}
"""


def rules(ports: Iterable[ServicePort]) -> Rules:
    """The desired contents of the table for `ports`."""
    result = Rules()
    for port in ports:
        inside = _balance(result, port, port.backends, "")
        for address in port.cluster_ips:
            _element(result, "services", f"{address} . {port.protocol} . {port.port}", inside)
        if not port.node_port and not port.external_ips:
            continue
        outside = _external(result, port)
        for address in port.external_ips:
            _element(result, "services", f"{address} . {port.protocol} . {port.port}", outside)
        if port.node_port:
            _element(result, "nodeports", f"{port.protocol} . {port.node_port}", outside)
    return result


def _element(result: Rules, kind: str, key: str, chain: str) -> None:
    if chain:
        name = {"services": "service-ips", "nodeports": "service-nodeports"}[kind]
        result.elements.setdefault(name, {})[key] = f"goto {chain}"
    else:
        result.elements.setdefault(f"no-endpoint-{kind}", {})[key] = REJECT


def _external(result: Rules, port: ServicePort) -> str:
    """The chain for traffic from outside; "" where there is no endpoint."""
    target = _balance(
        result, port, port.external_backends, "ext-local-" if port.external_local else ""
    )
    if not target or port.external_local:
        return target
    chain = _name("external", port.key)
    result.chains[chain] = ("jump mark-for-masquerade", f"goto {target}")
    return chain


def _balance(result: Rules, port: ServicePort, backends: tuple[Backend, ...], variant: str) -> str:
    """The chain that spreads over `backends`; "" where there is none."""
    if not backends:
        return ""
    endpoints = [_endpoint(result, port, backend) for backend in backends]
    lines: list[str] = []
    if port.affinity_seconds:
        lines.extend(
            f"ip saddr @{_affinity(port, backend)} goto {chain}"
            for backend, chain in zip(backends, endpoints, strict=True)
        )
    choices = ", ".join(f"{index} : goto {chain}" for index, chain in enumerate(endpoints))
    lines.append(f"numgen random mod {len(endpoints)} vmap {{ {choices} }}")
    chain = _name(f"{variant}service", port.key)
    result.chains[chain] = tuple(lines)
    return chain


def _endpoint(result: Rules, port: ServicePort, backend: Backend) -> str:
    address, number = backend
    chain = _name("endpoint", f"{port.key}/{address}:{number}")
    lines = [f"ip saddr {address} jump mark-for-masquerade"]  # a pod that reaches itself
    if port.affinity_seconds:
        name = _affinity(port, backend)
        result.affinity_sets[name] = port.affinity_seconds
        lines.append(f"update @{name} {{ ip saddr }}")
    lines.append(f"meta l4proto {port.protocol} dnat to {address}:{number}")
    result.chains[chain] = tuple(lines)
    return chain


def _affinity(port: ServicePort, backend: Backend) -> str:
    """The set's name; its timeout, which nftables cannot change in place, is part of it."""
    return _name("affinity", f"{port.key}/{backend[0]}:{backend[1]}/{port.affinity_seconds}")


def _name(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def script(table: str, old: Rules, new: Rules) -> str:
    """The transaction that turns `old` into `new`; "" where nothing differs."""
    lines: list[str] = []
    for name, timeout in new.affinity_sets.items():
        if name not in old.affinity_sets:
            flags = f"type ipv4_addr; flags dynamic,timeout; timeout {timeout}s;"
            lines.append(f"add set ip {table} {name} {{ {flags} }}")
    changed = {name for name, text in new.chains.items() if old.chains.get(name) != text}
    ordered = [name for name in new.chains if name in changed]
    lines.extend(f"add chain ip {table} {name}" for name in ordered if name not in old.chains)
    for name in ordered:
        if name in old.chains:
            lines.append(f"flush chain ip {table} {name}")
        lines.extend(f"add rule ip {table} {name} {rule}" for rule in new.chains[name])
    lines.extend(_element_changes(table, old, new))
    gone = [name for name in old.chains if name not in new.chains]
    lines.extend(f"flush chain ip {table} {name}" for name in gone)
    lines.extend(f"delete chain ip {table} {name}" for name in gone)
    lines.extend(
        f"delete set ip {table} {name}"
        for name in old.affinity_sets
        if name not in new.affinity_sets
    )
    return "\n".join([*lines, ""]) if lines else ""


def _element_changes(table: str, old: Rules, new: Rules) -> list[str]:
    lines: list[str] = []
    for name in sorted({*old.elements, *new.elements}):
        before, after = old.elements.get(name, {}), new.elements.get(name, {})
        lines.extend(
            f"delete element ip {table} {name} {{ {key} }}"
            for key, verdict in before.items()
            if after.get(key) != verdict
        )
        lines.extend(
            f"add element ip {table} {name} {{ {key} : {verdict} }}"
            for key, verdict in after.items()
            if before.get(key) != verdict
        )
    return lines
