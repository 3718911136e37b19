# SPDX-License-Identifier: Apache-2.0
"""The CNI configuration of a node: bridge, host-local addresses, loopback, host ports. Pure."""

from pathlib import Path

from pybernetes.apimachinery.types import Object


def conflist(bridge: str, pod_cidr: str, state_dir: Path, mtu: int = 0) -> Object:
    """A CNI 1.0 network of one bridge; addresses of `pod_cidr` are kept under `state_dir`."""
    bridge_plugin: Object = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,  # done by our own nftables table
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(state_dir),
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if mtu:
        bridge_plugin["mtu"] = mtu
    return {
        "cniVersion": "1.0.0",
        "name": "pybernetes",
        "plugins": [bridge_plugin, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }
