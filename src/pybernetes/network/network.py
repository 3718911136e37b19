# SPDX-License-Identifier: Apache-2.0
"""A node's pod network: a bridge with the node's pod range, CNI configuration, masquerading.

Nothing meant for a pod or a service leaves the machine by accident: what no rule or link covers
is rejected (our table) or unreachable (a route).
"""

import asyncio
import ipaddress
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.node import addresses
from pybernetes.base import files, logs
from pybernetes.base.env import Env
from pybernetes.base.errors import Told
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.linux import links, nft, sysctl
from pybernetes.linux.commands import CommandError
from pybernetes.network import forwarding, hostports
from pybernetes.network.config import NetworkConfig

NODES = GVR("", "v1", "nodes")
CONF_NAME = "10-pybernetes.conflist"
_log = logs.get("network")


def ruleset(config: NetworkConfig) -> str:
    """The node's own nftables table: pods that leave are masqueraded, strays are rejected. Pure."""
    pods = config.cluster_cidr
    out = f'ip saddr {pods} ip daddr != {pods} oifname != "{config.bridge}" masquerade'
    text = Template(resources.files("pybernetes.network").joinpath("node.nft").read_text())
    masquerade = "" if config.segment else out
    return text.substitute(table=config.table, services=config.service_cidr, masquerade=masquerade)


def peers(nodes: Iterable[Object], own: str) -> dict[str, str]:
    """The other nodes' pod ranges and the addresses they are reached at. Pure."""
    found = {}
    for node in nodes:
        pods = (node.get("spec") or {}).get("podCIDR")
        internal = addresses(node, "InternalIP")
        if pods and internal and node["metadata"]["name"] != own:
            found[pods] = internal[0]
    return found


class Network:
    """Sets up the network once the node has its pod range, then keeps the routes to other nodes.

    `informers` may be shared; then somebody else runs them.
    """

    def __init__(
        self, env: Env, client: Client, config: NetworkConfig, informers: Informers | None = None
    ) -> None:
        self._config = config
        self._own_informers = informers is None
        self._informers = informers or Informers(env, client)
        only = "" if config.segment else f"metadata.name={config.node_name}"
        self._nodes = self._informers.get(NODES, field_selector=only)
        self._routes: dict[str, str] = {}
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._nodes.on_change(lambda _old, _new: self._changed.set())

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def run(self) -> None:
        """Wait for spec.podCIDR, set up, and keep the set-up until cancelled."""
        used = ""
        async with TaskGroup("network") as group:
            if self._own_informers:
                group.start(self._informers.run(), "informers")
            while True:
                await self._changed.wait()
                self._changed.clear()
                pod_cidr = self._pod_cidr()
                if pod_cidr and pod_cidr != used:  # also: the Node was deleted and came back
                    await self._set_up(pod_cidr)
                    used = pod_cidr
                    self._ready.set()
                if self._config.segment and self._ready.is_set():
                    await self._route_peers()

    async def _route_peers(self) -> None:
        wanted = peers(self._nodes.items(), self._config.node_name)
        for pods in self._routes.keys() - wanted.keys():
            await links.delete_route(pods)
            del self._routes[pods]
        for pods, address in wanted.items():
            if self._routes.get(pods) == address:
                continue
            try:
                await links.replace_route(pods, "via", address)
                self._routes[pods] = address
            except CommandError as error:  # the other node has not told its new address yet
                _log.warning("No route to a node's pods", pods=pods, address=address, err=error)

    def _pod_cidr(self) -> str:
        node: Object | None = self._nodes.find("", self._config.node_name)
        return str(node["spec"].get("podCIDR", "")) if node and node.get("spec") else ""

    async def _set_up(self, pod_cidr: str) -> None:
        config = self._config
        for name in ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"):
            if not sysctl.write(name, "1"):
                _log.warning("Kernel setting is missing", setting=name)
        address = gateway(pod_cidr)
        await links.ensure_bridge(config.bridge, address)
        sysctl.write(f"net.ipv4.conf.{config.bridge}.route_localnet", "0")
        await links.replace_route(config.service_cidr, "dev", config.bridge)
        await links.replace_route("unreachable", config.cluster_cidr)
        await nft.apply(ruleset(config))
        await forwarding.allow(config.bridge)
        document = conflist(config.bridge, pod_cidr, config.cni_state_dir)
        files.write_private(config.cni_conf_dir / CONF_NAME, json.dumps(document, indent=2))
        _log.info("Pod network is ready", bridge=config.bridge, address=address)


def gateway(pod_cidr: str) -> str:
    """The bridge's address in a node's pod range, with its prefix length: "10.244.0.1/24"."""
    network = ipaddress.ip_network(pod_cidr)
    return f"{network[1]}/{network.prefixlen}"


async def check_free(config: NetworkConfig) -> None:
    """Raise Told if the pod or service range is somebody else's: call it before `run`."""
    wanted = [ipaddress.ip_network(text) for text in (config.cluster_cidr, config.service_cidr)]
    for route in await links.routes():
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == config.bridge or "type" in route:
            continue
        taken = ipaddress.ip_network(destination, strict=False)
        for network in wanted:
            if taken.version == network.version and taken.overlaps(network):
                raise Told(
                    f"{network} overlaps with the route {destination} dev {route.get('dev')}: "
                    "choose other ranges (--cluster-cidr, --service-cidr)"
                )


async def clean_up(config: NetworkConfig) -> None:
    """Remove everything `run` made; safe to call at any time."""
    await nft.delete_table("ip", config.table)
    await forwarding.clean_up(config.bridge)
    await hostports.clean_up()
    await links.delete_route("unreachable", config.cluster_cidr)
    await links.delete_route(config.service_cidr, "dev", config.bridge)
    await links.delete_link(config.bridge)
    (config.cni_conf_dir / CONF_NAME).unlink(missing_ok=True)


def conflist(bridge: str, pod_cidr: str, state_dir: Path) -> Object:
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
    return {
        "cniVersion": "1.0.0",
        "name": "pybernetes",
        "plugins": [bridge_plugin, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }
