# SPDX-License-Identifier: Apache-2.0
"""Repair at start: addresses and ports that no Service holds go, those that one holds and lacks come."""

from pybernetes.apis.core.service import cluster_ips
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.reading import SERVICES
from pybernetes.apiserver.services.allocation import (
    ALLOCATOR,
    IP_ADDRESSES,
    MANAGED_BY,
    Allocation,
    port_key,
    ports_of,
)
from pybernetes.base import logs
from pybernetes.storage.transaction import portions
from pybernetes.storage.types import Conflict, Op

log = logs.get("apiserver.services")


async def repair(core: Core, allocation: Allocation) -> None:
    """Transactions with all corrections. The caches must be complete and current."""
    ops = plan(core, allocation)
    if not ops:
        return
    log.info("Repairing the Services' addresses and ports", operations=len(ops))
    try:
        for some in portions(ops):
            await core.store.write(some)
    except Conflict as conflict:  # a Service changed meanwhile; the next start looks again
        log.warning("The repair collided with a change", key=conflict.key)


def plan(core: Core, allocation: Allocation) -> list[Op]:
    ports = allocation.ports
    services, known = core.resources.find(SERVICES), core.resources.find(IP_ADDRESSES)
    if services is None or known is None:
        return []
    ops: list[Op] = []
    owned_ips: dict[str, str] = {}
    owned_ports: dict[int, str] = {}
    for entry in services.cache.entries.values():
        service = services.decode(entry)
        for address in cluster_ips(service):
            if address not in owned_ips and address not in known.cache.entries:
                value = allocation.ip_value(service, address)
                ops.append(Op(allocation.ip_key(address), value, 0))
            owned_ips[address] = entry.key
        for port in ports_of(service):
            if port not in owned_ports and str(port) not in ports.keys:
                ops.append(Op(port_key(port), codec.dumps({"service": entry.key}), 0))
            owned_ports[port] = entry.key
    for address, held in known.cache.entries.items():
        if address not in owned_ips and held.labels().get(MANAGED_BY) == ALLOCATOR:
            ops.append(Op(allocation.ip_key(address), None, held.revision))
    ops += [Op(port_key(int(port)), None) for port in ports.keys if int(port) not in owned_ports]
    return ops
