# SPDX-License-Identifier: Apache-2.0
"""Which pod ranges are taken and which is next. Pure bookkeeping."""

import ipaddress


class Ranges:
    """Equal parts of one network; the next free one is looked for behind the last one given."""

    def __init__(self, network: str, prefix: int) -> None:
        self._network = ipaddress.ip_network(network)
        if prefix < self._network.prefixlen:
            raise ValueError(f"a range of /{prefix} does not fit into {network}")
        self._prefix = prefix
        self._count = 1 << (prefix - self._network.prefixlen)
        self._taken: dict[int, str] = {}  # number of the part -> node
        self._next = 0

    def take(self, node: str) -> str | None:
        """The range of `node`, which gets one if it has none; None if all are taken."""
        for number, owner in self._taken.items():
            if owner == node:
                return self._text(number)
        for step in range(self._count):
            number = (self._next + step) % self._count
            if number not in self._taken:
                self._taken[number] = node
                self._next = (number + 1) % self._count
                return self._text(number)
        return None

    def occupy(self, cidr: str, node: str) -> bool:
        """Note a range that `node` already has; False if it is not ours or not its."""
        number = self._number(cidr)
        if number is None:
            return False
        return self._taken.setdefault(number, node) == node

    def release(self, cidr: str, node: str) -> None:
        number = self._number(cidr)
        if number is not None and self._taken.get(number) == node:
            del self._taken[number]

    def _number(self, cidr: str) -> int | None:
        network = ipaddress.ip_network(cidr, strict=False)
        if network.version != self._network.version or network.prefixlen < self._prefix:
            return None
        offset = int(network.network_address) - int(self._network.network_address)
        number = offset >> (self._network.max_prefixlen - self._prefix)
        return number if 0 <= number < self._count else None

    def _text(self, number: int) -> str:
        size = self._network.max_prefixlen - self._prefix
        address = self._network.network_address + (number << size)
        return f"{address}/{self._prefix}"
