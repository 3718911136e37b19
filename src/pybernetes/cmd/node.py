# SPDX-License-Identifier: Apache-2.0
"""A real node: containerd, pod network, service proxy, DNS, kubelet. On this host, or in a lab."""

import asyncio
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.cmd import addons
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.identities import PROXY, ClientFor, node_user
from pybernetes.cmd.labsettings import Settings
from pybernetes.cri.containerd import Containerd
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.server import Dns
from pybernetes.images import builtin
from pybernetes.images.mirror import Mirror
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.machine import disk
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.network.config import NetworkConfig
from pybernetes.network.network import Network
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.proxy import Proxy
from pybernetes.wire.server import serve

SHUT_DOWN_GRACE = (30.0, 10.0)  # seconds for all pods, and of these for critical ones


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What each agent of a node is told."""

    machine: MachineConfig
    network: NetworkConfig
    proxy: ProxyConfig
    dns: DnsConfig
    kubelet: KubeletConfig


def node_config(
    told: Settings, data: Path, bridge: str = "cni0", tables: str = "pybernetes"
) -> NodeConfig:
    """What the agents are told of the node whose folder is `data`.

    The names of its bridge and nftables tables have to be unique where other nodes are.
    """
    machine, name, in_lab = MachineConfig(data=data), told.name, bool(told.gateway)
    return NodeConfig(
        machine=machine,
        network=NetworkConfig(
            node_name=name,
            cni_conf_dir=machine.cni_conf,
            cni_state_dir=data / "cni",
            bridge=bridge,
            table=f"{tables}-network",
            segment=in_lab,
            cluster_cidr=told.cluster_cidr,
            service_cidr=told.service_cidr,
        ),
        proxy=ProxyConfig(
            name,
            table=f"{tables}-proxy",
            cluster_cidr=told.cluster_cidr,
            service_cidr=told.service_cidr,
            health_address=told.ip,
        ),
        dns=DnsConfig(
            name,
            told.ip,
            service_ip=told.dns_ip,
            domain=told.domain,
            clients=(told.cluster_cidr,),
        ),
        kubelet=KubeletConfig(
            node_name=name,
            data=data / "kubelet",
            node_ips=(told.ip,),
            port=told.kubelet_port,
            cluster_dns=(told.dns_ip,),
            cluster_domain=told.domain,
            cni_conf_dir=machine.cni_conf,
            cgroup_root=told.cgroup,
            node_cgroup=told.cgroup if in_lab else "",
            node_labels=told.labels,
            register_with_taints=told.taints,
            capacity=told.capacity,
            static_pod_path=disk.MANIFESTS
            if in_lab and disk.is_own("/etc")
            else data / "manifests",
        ),
    )


def host_node(config: ClusterConfig) -> NodeConfig:
    """The node of a cluster in one process, which uses the host's own namespaces."""
    told = Settings(
        name=config.node_name,
        address=config.gateway,
        cluster_cidr=config.cluster_cidr,
        service_cidr=config.service_cidr,
        dns_ip=config.dns_ip,
        domain=config.domain,
        cgroup=config.cgroup_root,
        kubelet_port=config.kubelet_port,
    )
    return node_config(told, config.node_dir, config.bridge, f"pybernetes-{config.slug}")


def _on_shared_disk(config: KubeletConfig) -> KubeletConfig:
    """The disk serves whatever else the machine does: its filling is not ours to mend early.

    Images that were loaded by hand would not come back either.
    """
    limits = {"memory.available": "100Mi", "nodefs.available": "512Mi"}
    return replace(config, eviction_hard=limits, image_gc_high_threshold_percent=100)


class RealNode:
    """`run` until cancelled. Containers outlive it, so that a restarted node finds them again.

    `ca` (PEM) vouches for callers of the kubelet. The agents share `informers` where they are given.
    """

    def __init__(
        self,
        env: Env,
        client_for: ClientFor,
        config: NodeConfig,
        *,
        context: ssl.SSLContext,
        ca: bytes,
        informers: Informers | None = None,
    ) -> None:
        self._env, self._config = env, config
        self._context, self._ca = context, ca
        self._containerd = PrivateContainerd(env, config.machine)
        self._runtime = Containerd(self._containerd.socket)
        client = client_for(node_user(config.kubelet.node_name))
        self._informers = informers
        self._network = Network(env, client, config.network, informers)
        self._proxy = Proxy(env, client_for(PROXY), config.proxy, informers)
        self._dns = Dns(env, client_for(addons.dns_user()), config.dns, informers)
        self.kubelet = Kubelet(
            env, client, self._runtime, _on_shared_disk(config.kubelet), informers=informers
        )
        self.network_ready = asyncio.Event()

    async def run(self) -> None:
        config = self._config
        await self._containerd.start()
        async with TaskGroup("node") as group:
            if self._informers is not None:
                group.start(self._informers.run(), "informers")
            group.start(self._containerd.keep(), "containerd")
            group.start(self._network.run(), "network")
            group.start(self._proxy.run(), "proxy")
            await builtin.ensure(self._runtime, self._containerd.socket, config.machine.data)
            group.start(self.kubelet.run(), "kubelet")
            mirror = await Mirror(self._env, self._containerd.socket, config.machine.certs).start()
            await self._network.wait_ready()
            self.network_ready.set()
            group.start(self._dns.run(), "dns")
            listener = await serve(
                self._env,
                self.kubelet.handler,
                config.kubelet.node_ips,
                config.kubelet.port,
                ssl_context=self._context,
                client_ca=self._ca.decode(),
            )
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                await listener.close()
                await mirror.close()
                await self._runtime.close()
