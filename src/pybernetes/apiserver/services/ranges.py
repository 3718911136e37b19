# SPDX-License-Identifier: Apache-2.0
"""The address ranges of Services, and where in them a free address is looked for."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pybernetes.base.random import Random

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPV4, IPV6 = "IPv4", "IPv6"
_TRIES = 32
_SCAN = 1 << 16  # addresses looked at one by one once guessing failed
_RESERVED = 256  # at the range's beginning, taken for requested addresses first (upstream's band)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Family -> network, the default family first."""

    networks: Mapping[str, Network]

    @property
    def default(self) -> str:
        return next(iter(self.networks))

    def find(self, address: str) -> Network | None:
        """The range that holds `address`, which is well-formed."""
        parsed = ipaddress.ip_address(address)
        for network in self.networks.values():
            if parsed.version == network.version and parsed in network:
                return network
        return None


def parse(text: str) -> Ranges:
    """Of --service-cluster-ip-range. Raises ValueError."""
    networks: dict[str, Network] = {}
    for part in text.split(","):
        network = ipaddress.ip_network(part.strip())
        family = IPV4 if network.version == 4 else IPV6
        if family in networks:
            raise ValueError(f"two service ranges of one family: {text}")
        if network.version == 6 and network.prefixlen < 64:
            detail = f"got {network.prefixlen}"
            raise ValueError(f"shortest allowed prefix length for service CIDR is 64, {detail}")
        networks[family] = network
    return Ranges(networks)


def family_of(address: str) -> str:
    return IPV6 if ":" in address else IPV4


def is_usable(network: Network, address: str) -> bool:
    """Not the network's own address, nor IPv4's broadcast address."""
    parsed = ipaddress.ip_address(address)
    if parsed == network.network_address:
        return False
    return network.version == 6 or parsed != network.broadcast_address


def pick(network: Network, random: Random, taken: Callable[[str], bool]) -> str | None:
    """A free address; None where the range is full.

    `taken` is only a hint: the store's transaction decides.
    """
    first, last = 1, network.num_addresses - (2 if network.version == 4 else 1)
    if last < first:
        return None
    offset = min(max(16, network.num_addresses // 16), _RESERVED)
    upper = first + offset if last - first > offset else first
    for _ in range(_TRIES):
        address = str(network[upper + random.below(last - upper + 1)])
        if not taken(address):
            return address
    scanned = (*range(upper, min(last, upper + _SCAN) + 1), *range(first, upper))
    for index in scanned:
        address = str(network[index])
        if not taken(address):
            return address
    return None
