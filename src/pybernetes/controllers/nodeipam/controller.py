# SPDX-License-Identifier: Apache-2.0
"""Writes podCIDR and podCIDRs of new nodes; ranges of deleted nodes are free again."""

import ipaddress

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.nodeipam.plan import Ranges
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import NODES, reference


class NodeIpamController:
    """Keys are node names."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ranges = [_ranges(context, cidr) for cidr in context.config.cluster_cidrs]
        self._nodes = context.informers.get(NODES)
        self._nodes.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            for cidr, ranges in zip(_pod_cidrs(new), self._ranges, strict=False):
                ranges.occupy(cidr, meta.name(new))
            if not _pod_cidrs(new) and self._ranges:
                self._context.queue.add(meta.name(new))
        elif old is not None:
            for cidr, ranges in zip(_pod_cidrs(old), self._ranges, strict=False):
                ranges.release(cidr, meta.name(old))

    async def sync(self, key: str) -> None:
        node = self._nodes.find("", key)
        if node is None or _pod_cidrs(node):
            return
        taken = [ranges.take(key) for ranges in self._ranges]
        given = [cidr for cidr in taken if cidr is not None]
        if len(given) < len(taken):
            for cidr, ranges in zip(taken, self._ranges, strict=True):
                if cidr is not None:
                    ranges.release(cidr, key)
            text = f"Node {key} status is now: CIDRNotAvailable"
            about = reference(key, meta.uid(node))
            self._context.recorder.event(about, "Normal", "CIDRNotAvailable", text)
            raise ConnectionError(f"no pod range is left for node {key}")
        patch = {"spec": {"podCIDR": given[0], "podCIDRs": given}}
        await self._context.client.patch(NODES, key, patch)


def _pod_cidrs(node: Object) -> list[str]:
    spec = node.get("spec") or {}
    return spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])


def _ranges(context: Context, cidr: str) -> Ranges:
    config = context.config
    version = ipaddress.ip_network(cidr).version
    return Ranges(cidr, config.node_cidr_mask_ipv4 if version == 4 else config.node_cidr_mask_ipv6)
