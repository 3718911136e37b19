# SPDX-License-Identifier: Apache-2.0
"""Ports of the node that pods hold, for scheduler and kubelet (upstream's HostPortInfo). Pure."""

from collections.abc import Iterable

from pybernetes.apimachinery.types import Object

ANY = "0.0.0.0"
HostPort = tuple[str, str, int]  # address (ANY: every one), protocol, port
CONFLICT = "node(s) didn't have free ports for the requested pod ports"


def of(spec: Object) -> list[HostPort]:
    """The host ports of a pod's containers, sidecars included."""
    init = [one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]
    return [
        (port.get("hostIP") or ANY, port.get("protocol") or "TCP", port["hostPort"])
        for container in [*spec.get("containers", ()), *init]
        for port in container.get("ports", ())
        if port.get("hostPort")
    ]


def clash(wanted: Iterable[HostPort], held: Iterable[HostPort]) -> bool:
    """Whether one of `wanted` cannot be had beside `held`."""
    pairs = ((one, other) for other in held for one in wanted if one[1:] == other[1:])
    return any(one[0] == other[0] or ANY in (one[0], other[0]) for one, other in pairs)
