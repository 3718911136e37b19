# SPDX-License-Identifier: Apache-2.0
"""A lab's segment on the host: a bridge that its nodes hang on, with the host's own address in it.

The lab is a network of this host only: nodes and pods reach the outside with the host's address,
the host reaches nodes, pods and services, nobody else does (other labs included). Pods are routed
to their nodes; what no node covers is unreachable.
"""

import ipaddress
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template

from pybernetes.linux import links, nft, sysctl
from pybernetes.network import forwarding

LINKS = "pyb"  # links of all clusters of ours begin with it


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """`bridge` and `table` are names that only this lab uses; `address` is the host's in `network`."""

    bridge: str
    table: str
    network: str
    address: str
    cluster_cidr: str
    service_cidr: str
    services_via: str  # the node that leads the host to services

    @property
    def nowhere(self) -> tuple[str, ...]:
        """The route of what no node covers."""
        return "unreachable", self.cluster_cidr, "metric", str(_metric(self.bridge))


def _metric(bridge: str) -> int:
    """By which a lab knows its own route again, be its bridge there or not."""
    return 10_000 + zlib.crc32(bridge.encode()) % 1_000_000


def ruleset(config: SegmentConfig) -> str:
    """The lab's table on the host. Pure."""
    lab = f"{{ {config.network}, {config.cluster_cidr} }}"
    text = Template(resources.files("pybernetes.network").joinpath("segment.nft").read_text())
    return text.substitute(
        table=config.table, bridge=config.bridge, lab=lab, address=config.address, links=LINKS
    )


async def taken(bridge: str) -> list[ipaddress.IPv4Network]:
    """The ranges that this host has routes to, but for those of our own `bridge`'s lab."""
    found = []
    for route in await links.routes():
        own = route.get("dev") == bridge or route.get("metric") == _metric(bridge)
        if not own and (destination := route.get("dst", "default")) != "default":
            found.append(ipaddress.IPv4Network(destination, strict=False))
    return found


async def set_up(config: SegmentConfig) -> None:
    """Make bridge, rules and routes; doing it twice is fine. Raises CommandError."""
    sysctl.write("net.ipv4.ip_forward", "1")
    length = ipaddress.ip_network(config.network).prefixlen
    await links.ensure_bridge(config.bridge, f"{config.address}/{length}")
    await links.replace_route(*config.nowhere)
    await links.replace_route(config.service_cidr, "via", config.services_via)
    await nft.apply(ruleset(config))
    await forwarding.allow(config.bridge)


async def route_pods(config: SegmentConfig, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Make the host's routes (pod range -> its node's address) `new`, where they were `old`."""
    for pods in old.keys() - new.keys():
        await links.delete_route(pods, "dev", config.bridge)
    for pods, node in new.items():
        if old.get(pods) != node:
            await links.replace_route(pods, "via", node, "dev", config.bridge)


async def clean_up(config: SegmentConfig) -> None:
    """Remove everything; safe to call at any time."""
    for link in [*await links.on_bridge(config.bridge), config.bridge]:
        await links.delete_link(link)
    await nft.delete_table("ip", config.table)
    await forwarding.clean_up(config.bridge)
    await links.delete_route(*config.nowhere)
