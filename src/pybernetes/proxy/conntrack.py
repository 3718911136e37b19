# SPDX-License-Identifier: Apache-2.0
"""UDP flows outlive the endpoint that they were led to: those of services are cut when it is gone.

Source: pkg/proxy/conntrack/cleanup.go of k8s.io/kubernetes.
"""

import re
from collections.abc import Iterable

from pybernetes.base import logs
from pybernetes.linux.commands import CommandError, run, succeeds
from pybernetes.proxy.services import Backend, ServicePort

_log = logs.get("proxy.conntrack")
_FLOW = re.compile(
    r"dst=(\S+) sport=\d+ dport=(\d+) (?:\[UNREPLIED\] )?src=(\S+) dst=\S+ sport=(\d+)"
)


def stale(listing: str, ports: Iterable[ServicePort]) -> list[list[str]]:
    """What conntrack is told to delete, given its own list of UDP flows: those towards an address
    of `ports` that do not end at one of its serving endpoints."""
    addresses: dict[Backend, set[Backend]] = {}
    node_ports: dict[int, set[Backend]] = {}
    for port in ports:
        serving = set(port.serving)
        for address in (port.cluster_ip, *port.external_ips, *port.balancer_ips):
            addresses[address, port.port] = serving
        if port.node_port and serving:  # without endpoints a flow to that number may be another's
            node_ports[port.node_port] = serving
    found: dict[tuple[str, ...], None] = {}
    for to, number, end, end_number in _FLOW.findall(listing):
        allowed = addresses.get((to, int(number)), node_ports.get(int(number)))
        if allowed is not None and (end, int(end_number)) not in allowed:
            found[to, number, end, end_number] = None
    names = ("--orig-dst", "--orig-port-dst", "--reply-src", "--reply-port-src")
    return [
        ["-p", "udp", *(word for pair in zip(names, flow, strict=True) for word in pair)]
        for flow in found
    ]


async def clean_up(ports: list[ServicePort]) -> int:
    """Delete the stale flows towards UDP `ports`; how many kinds there were."""
    try:
        flows = stale(await run(["conntrack", "-L", "-p", "udp"]), ports)
    except CommandError as error:  # they time out by themselves, if the client is silent
        _log.warning("Stale UDP flows are not cut", error=error)
        return 0
    for flow in flows:
        await succeeds(["conntrack", "-D", *flow])
    return len(flows)
