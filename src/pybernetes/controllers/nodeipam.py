# SPDX-License-Identifier: Apache-2.0
"""node-ipam-controller: gives every node its pod range out of the cluster's (RangeAllocator)."""

import ipaddress

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.resources import NODES, reference


class Ranges:
    """Equal parts of one network; the next free one is looked for behind the last one given."""

    def __init__(self, network: str, prefix: int) -> None:
        self._network = ipaddress.ip_network(network)
        if prefix < self._network.prefixlen:
            raise ValueError(f"a range of /{prefix} does not fit into {network}")
        self._prefix = prefix
        self._count = 1 << (prefix - self._network.prefixlen)
        self._taken: dict[int, str] = {}  # number of the part -> node
        self._of: dict[str, int] = {}  # node -> number of its part
        self._next = 0

    def take(self, node: str) -> str | None:
        """The range of `node`, which gets one if it has none; None if all are taken."""
        if node not in self._of:
            steps = ((self._next + step) % self._count for step in range(self._count))
            free = next((number for number in steps if number not in self._taken), None)
            if free is None:
                return None
            self._taken[free], self._of[node] = node, free
            self._next = (free + 1) % self._count
        return self._text(self._of[node])

    def occupy(self, cidr: str, node: str) -> None:
        """Note a range that `node` already has, if it is one of ours and nobody else's."""
        number = self._number(cidr)
        if number is None or self._of.get(node) == number:
            return
        self.release(node)
        if self._taken.setdefault(number, node) == node:
            self._of[node] = number

    def release(self, node: str) -> None:
        """The range of `node`, if it has one, may be given again."""
        if node in self._of:
            del self._taken[self._of.pop(node)]

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


class NodeIpamController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(NODES))
        self._ranges = [_ranges(context, cidr) for cidr in context.config.cluster_cidrs]
        self._objects.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            for cidr, ranges in zip(_pod_cidrs(new), self._ranges, strict=False):
                ranges.occupy(cidr, meta.name(new))
            if not _pod_cidrs(new) and self._ranges:
                self._queue.add(meta.name(new))
        elif old is not None:
            self._release(meta.name(old))

    def _release(self, node: str) -> None:
        for ranges in self._ranges:
            ranges.release(node)

    async def _sync(self, key: str, node: Object) -> None:
        if _pod_cidrs(node):
            return
        given = [ranges.take(key) for ranges in self._ranges]
        if None in given:
            self._release(key)
            text = f"Node {key} status is now: CIDRNotAvailable"
            self._event(reference(key, meta.uid(node)), "Normal", "CIDRNotAvailable", text)
            raise ConnectionError(f"no pod range is left for node {key}")
        patch = {"spec": {"podCIDR": given[0], "podCIDRs": given}}
        await self._client.patch(NODES, key, patch)


def _pod_cidrs(node: Object) -> list[str]:
    spec = node.get("spec") or {}
    return spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])


def _ranges(context: Context, cidr: str) -> Ranges:
    config = context.config
    version = ipaddress.ip_network(cidr).version
    return Ranges(cidr, config.node_cidr_mask_ipv4 if version == 4 else config.node_cidr_mask_ipv6)
